"""`reverie bench`: speed against the alternatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any, Literal

import tyro

from reverie.cli.arguments import parse, print_json
from reverie.errors import UserError


@dataclass(frozen=True, kw_only=True)
class BenchArguments:
    """What to measure, and for how long."""

    what: Annotated[Literal["env"], tyro.conf.Positional]
    """env: frames of CarRacing at 64x64, ours against Gymnasium's, random actions, one core."""
    seconds: float = 2.0
    """Of each turn."""
    rounds: int = 5
    """Turns of each side; the two take turns."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Measures and prints."""
    args = parse(BenchArguments, arguments, verb, "Measure speed against the alternatives, in turns on one core.")
    if args.seconds <= 0 or args.rounds < 1:
        raise UserError("--seconds and --rounds: give more than 0", usage=True)
    found = _env(args)
    if args.json:
        print_json(found)
    else:
        _show(found)


def _env(args: BenchArguments) -> dict[str, Any]:
    from reverie.evaluation import speed

    with speed.one_core():
        contestants = {"gymnasium_64": speed.gymnasium_64(), "reverie_64": speed.reverie_64()}
        found = speed.race(contestants, rounds=args.rounds, seconds=args.seconds, unit="frames/s", quiet=args.quiet)
    ratios = found.ratios("reverie_64", "gymnasium_64")
    return {
        "bench": args.what,
        "unit": found.unit,
        "rounds": args.rounds,
        "seconds": args.seconds,
        **{name: _spread(rates) for name, rates in found.rates.items()},
        "ratio_gymnasium_64": round(median(ratios), 2),
        "ratios_gymnasium_64": [round(ratio, 2) for ratio in ratios],
        "how": f"new tracks are not counted; ours steps a batch of {speed.BATCH}",
    }


def _spread(rates: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(rates), 1), "min": round(min(rates), 1), "max": round(max(rates), 1)}


def _show(found: dict[str, Any]) -> None:
    labels = {"gymnasium_64": "Gymnasium, 96x96 resized to 64x64", "reverie_64": "Reverie, 64x64"}
    for name, label in labels.items():
        row = found[name]
        print(f"{label:<36} {row['median']:>9,.0f} {found['unit']}  ({row['min']:,.0f} to {row['max']:,.0f})")
    low, high = min(found["ratios_gymnasium_64"]), max(found["ratios_gymnasium_64"])
    print(f"Reverie is {found['ratio_gymnasium_64']:.1f} times as fast ({low:.1f} to {high:.1f})")
    print(f"medians of {found['rounds']} turns of {found['seconds']:g} s each, one core; {found['how']}")
