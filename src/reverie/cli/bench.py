"""`reverie bench`: speed against the alternatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any, Literal, NamedTuple

import tyro
from annotated_types import Ge, Gt, Le

from reverie.cli.arguments import DeviceArguments, parse, print_json
from reverie.errors import UserError
from reverie.notes import say


@dataclass(frozen=True, kw_only=True)
class BenchArguments(DeviceArguments):
    """What to measure, and for how long."""

    what: Annotated[Literal["env", "vision", "memory", "dream", "rollout", "scaling"], tyro.conf.Positional]
    """env: frames of CarRacing against Gymnasium's (one core) and EnvPool's (two cores), random actions. vision:
    training of the paper's V, bf16 and fp32, against a plain loop in fp32, one core.
    memory: the same of M. dream: decisions in the dream of the paper's M, against a dream of batch 1 that decodes each
    frame; and the search for C in dreams against the one on the road; one core. rollout: an agent of the paper's
    size in the real environment, no action repeat, against a loop of batch 1 on Gymnasium, one core. scaling: that
    agent in two workers against one, and a whole generation of the search by them."""
    seconds: Annotated[float, Gt(0), Le(3600)] = 2.0
    """Of each turn."""
    rounds: Annotated[int, Ge(1), Le(10_000)] = 5
    """Turns of each side; the sides take turns."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print the result as one JSON object."""


class Ratio(NamedTuple):
    """How many times `ours` does what `other` does."""

    ours: str
    other: str
    text: str


# Each bench: heats as (cores, peers and ours with the processes of each), and the ratios that are reported.
_HEATS = {
    "env": [
        (1, (("gymnasium_64", 1), ("gymnasium_96", 1)), (("frames_64", 1), ("frames_96", 1))),
        (2, (("envpool_64", 2), ("envpool_96", 2)), (("frames_64", 2), ("frames_96", 2))),
    ],
    "vision": [(1, (("vision", 1),), (("vision_bf16", 1), ("vision_fp32", 1)))],
    "memory": [(1, (("memory", 1),), (("memory_bf16", 1), ("memory_fp32", 1), ("memory_small", 1)))],
    "dream": [
        (1, (("dream1", 1),), (("dream_bf16", 1), ("dream_fp32", 1), ("evolve_dream", 1), ("evolve_road", 1))),
    ],
    "rollout": [(1, (("batch1", 1),), (("rollout_bf16", 1), ("rollout_fp32", 1)))],
    "scaling": [(2, (), (("rollout_bf16", 1), ("rollout_bf16", 2), ("generation", 1), ("generation", 2)))],
}
_RATIOS = {
    "env": {
        "ratio_gymnasium_64": Ratio("frames_64_x1", "gymnasium_64_x1", "Gymnasium at 64x64, one core"),
        "ratio_gymnasium_96": Ratio("frames_96_x1", "gymnasium_96_x1", "Gymnasium at 96x96, one core"),
        "ratio_envpool_64": Ratio("frames_64_x2", "envpool_64_x2", "EnvPool at 64x64, two cores"),
        "ratio_envpool_96": Ratio("frames_96_x2", "envpool_96_x2", "EnvPool at 96x96, two cores"),
    },
    "vision": {
        "ratio_plain": Ratio("vision_bf16_x1", "vision_x1", "a plain loop in fp32 with batches of 32, one core"),
        "ratio_plain_fp32": Ratio("vision_fp32_x1", "vision_x1", "that plain loop, ours in fp32 too, one core"),
        "ratio_bf16": Ratio("vision_bf16_x1", "vision_fp32_x1", "itself in fp32, one core"),
    },
    "memory": {
        "ratio_plain": Ratio("memory_bf16_x1", "memory_x1", "a plain loop in fp32 with batches of 16 x 32, one core"),
        "ratio_plain_fp32": Ratio("memory_fp32_x1", "memory_x1", "that plain loop, ours in fp32 too, one core"),
        "ratio_plain_small": Ratio("memory_small_x1", "memory_x1", "that plain loop, ours with its batches, one core"),
    },
    "dream": {
        "ratio_batch1": Ratio("dream_bf16_x1", "dream1_x1", "a dream of batch 1 that decodes each frame, one core"),
        "ratio_batch1_fp32": Ratio("dream_fp32_x1", "dream1_x1", "that dream, ours in fp32 too, one core"),
        "ratio_road": Ratio("evolve_dream_x1", "evolve_road_x1", "the same search on the road, decisions, one core"),
    },
    "rollout": {
        "ratio_batch1": Ratio("rollout_bf16_x1", "batch1_x1", "a loop of batch 1 on Gymnasium, one core"),
        "ratio_bf16": Ratio("rollout_bf16_x1", "rollout_fp32_x1", "itself with the encoder in fp32, one core"),
    },
    "scaling": {
        "ratio_two_workers": Ratio("rollout_bf16_x2", "rollout_bf16_x1", "one worker, each for the same time"),
        "ratio_generation": Ratio("generation_x2", "generation_x1", "one worker, for a whole generation"),
    },
}
_ON_A_DEVICE = ("vision", "memory", "dream", "rollout")
"""What networks take part in, whose place can be chosen."""
_UNITS = {"vision": "images", "memory": "timesteps", "dream": "decisions"}
"""What is counted; elsewhere frames."""
_HOW = {
    "env": "new tracks are not counted, except EnvPool's, which it makes in between; ours steps 16 tracks together at "
    "64x64, and one by Gymnasium's interface at 96x96; two cores are two processes on either side",
    "vision": "the paper's net, loss and Adam on both sides, pictures of roads from memory; ours takes batches of 100",
    "memory": "the paper's net, loss, Adam and clipping on both sides, random latents; ours takes batches of 64 x 32",
    "dream": "the paper's M and a linear controller on both sides; ours dreams 256 at once, each with a controller of "
    "its own, and decodes none; evolve is the search with V and M of the agent that ships, candidates on two tracks, "
    "four frames a decision: 256 dreams or 32 cars together; new tracks are not counted on the road",
    "rollout": "a frame is a decision; networks of the paper's size; ours drives 64 tracks together; "
    "new tracks are not counted",
    "scaling": "the agent of `bench rollout` in each worker; a generation is 64 candidates near `pretrained` on two "
    "tracks, to the end, in tasks as the search gives them out, however long that takes",
}


def main(verb: str, arguments: Sequence[str]) -> None:
    """Measures and prints."""
    args = parse(BenchArguments, arguments, verb, "Measure speed against the alternatives, in turns on the same cores.")
    from reverie.benchmarks.heats import Heat, run_heat

    card = _card(args)
    unit = _UNITS.get(args.what, "frames")
    rates: dict[str, tuple[float, ...]] = {}
    for heat in _HEATS[args.what]:
        how = {"rounds": args.rounds, "seconds": args.seconds, "device": args.device}
        rates |= run_heat(Heat(*heat), unit=unit, quiet=args.quiet, **how)
    ratios = {key: _ratio(ratio, rates) for key, ratio in _RATIOS[args.what].items()}
    if args.json:
        medians = {key: median(values) if values else None for key, values in ratios.items()}
        spread = {f"{key}_rounds": values for key, values in ratios.items()}
        speeds = {name: _spread(values) for name, values in rates.items()}
        how = {"rounds": args.rounds, "seconds": args.seconds, "how": _HOW[args.what], **card}
        print_json({"bench": args.what, **medians, **spread, f"{unit}_per_second": speeds, **how})
        return
    for name, values in rates.items():
        row = _spread(values)
        say(f"{name:<18} {row['median']:>9,.0f} {unit}/s  ({row['min']:,.0f} to {row['max']:,.0f})")
    for key, values in ratios.items():
        say(_line(_RATIOS[args.what][key].text, values))
    if card:
        say(
            f"{card['device']}: copies {card['bytes_per_second'] / 1e9:,.0f} GB/s, multiplies matrices at "
            f"{card['flops_fp32'] / 1e12:,.1f} TFLOP/s in fp32, {card['flops_bf16'] / 1e12:,.1f} in bf16"
        )
    say(f"medians of {args.rounds} turns of {args.seconds:g} s each, min to max; {_HOW[args.what]}")


def _card(args: BenchArguments) -> dict[str, Any]:
    """What the device can do at best; nothing is said of the CPU. Raises UserError where it is not there, or has
    nothing to do."""
    if args.device == "cpu":
        return {}
    from reverie.benchmarks.card import limits
    from reverie.devices import chosen_device

    if args.what not in _ON_A_DEVICE:
        raise UserError(f"bench {args.what} is about cores: leave out --device", usage=True)
    device = chosen_device(args.device)
    return {} if device.type == "cpu" else limits(device)


def _ratio(ratio: Ratio, rates: dict[str, tuple[float, ...]]) -> list[float]:
    """Round by round; empty where a peer is missing."""
    pairs = zip(rates.get(ratio.ours, ()), rates.get(ratio.other, ()), strict=False)
    return [round(ours / other, 2) for ours, other in pairs]


def _spread(rates: Sequence[float]) -> dict[str, Any]:
    return {"median": round(median(rates), 1), "min": round(min(rates), 1), "max": round(max(rates), 1)}


def _line(text: str, values: list[float]) -> str:
    if not values:
        return f"{text}: not installed (`make bench` or `pip install 'reverie[bench]'` adds it)"
    return f"{median(values):.2f} times {text} ({min(values):.2f} to {max(values):.2f})"
