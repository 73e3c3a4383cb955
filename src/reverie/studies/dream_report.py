"""What was measured of a run's dreams (`dream_truth.py`), as tables, numbers and pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from reverie.data.failures import STUCK
from reverie.measure.dream.failures import AFTER, Failures, returns, stays
from reverie.measure.dream.horizon import HORIZONS
from reverie.measure.dream.returns import Calibration, between_halves, ranks_above
from reverie.measure.dream.states import StatesFound, percentiles, tail_shares
from reverie.measure.statistics import spearman, spearman_interval, standard_error, wilson_interval
from reverie.measure.truth.labelled import STATE
from reverie.measure.vision import comparison
from reverie.run.folder import RunFolder
from reverie.show import dream_charts
from reverie.studies.dream_truth import DreamTruth
from reverie.writing import write_json, write_text


def write_truth(folder: Path, run: RunFolder, truth: DreamTruth, *, seed: int, test: bool) -> str:
    """Writes truth.json, truth.md and pictures into `folder`; returns the text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = text_of(truth, seed, test)
    write_json(folder / "truth.json", numbers_of(truth))
    write_text(folder / "truth.md", text)
    d = truth.horizon
    dream_charts.dream_error(
        folder / "truth_horizon.png", HORIZONS, d.dream, d.still, d.seen, run.config.env.action_repeat
    )
    dream_charts.dream_states(folder / "truth_states.png", truth.states.road, truth.states.dream)
    one = next(found for found in truth.returns if found.temperature == 1)
    rho, (low, high) = _rank(truth, one.dream, seed)
    title = f"{truth.varied} varied controllers: Spearman's rho {rho:.2f} [{low:.2f}, {high:.2f}] at temperature 1"
    errors = standard_error(one.dream), standard_error(truth.real)
    dream_charts.dream_returns(folder / "truth_returns.png", one.dream.mean(1), truth.real.mean(1), errors, title=title)
    return text


def text_of(truth: DreamTruth, seed: int, test: bool) -> str:
    """The tables, as Markdown."""
    d = truth.horizon
    where = "test" if test else "validation"
    horizons = [["after decisions", *map(str, HORIZONS)]]
    for name in STATE:
        for label, values in (("dream", d.dream), ("last frame", d.still), ("frame seen by V", d.seen)):
            horizons.append([f"{name}: {label}", *(f"{value:.3g}" for value in values[name])])
    horizons.append(["error of the dream / of the last frame", *(f"{value:.2f}" for value in d.relative)])
    horizons.append(["the same, of the median of dreams at temperature 1", *(f"{v:.2f}" for v in d.relative_median)])
    horizons.append(["the same, of the latent", *("-" if value is None else f"{value:.2f}" for value in d.latent)])
    if d.doubt:
        horizons.append(["rank correlation of M's doubt with the latent's error", *(f"{v:.2f}" for v in d.doubt)])
    if d.reward and d.reward_ratio:
        horizons.append(["reward foreseen", *(f"{value:.1f}" for value in d.reward)])
        horizons.append(["reward that came", *(f"{value:.1f}" for value in d.real_reward)])
        horizons.append(["foreseen / came", *(f"{value:.2f}" for value in d.reward_ratio)])
    driven = [["driven in the dream, to decision", *map(str, HORIZONS)]]
    for temperature, (foreseen, came) in truth.driven.items():
        driven.append([f"foreseen at temperature {temperature:g}", *(f"{value:.1f}" for value in foreseen)])
        ratios = [f / c if c else float("nan") for f, c in zip(foreseen, came, strict=True)]
        driven.append(["foreseen / came", *(f"{ratio:.2f}" for ratio in ratios)])
    real, good = truth.real[: truth.varied], int((truth.real.mean(1) >= truth.above).sum())
    sweep = [["temperature", "rho", "95%", f"rho above {truth.above:g}", "95%", "mean dreamt return"]]
    sweep[0] += ["mean real return", "impossible returns"]
    for found, ranks in zip(truth.returns, truth.ranks, strict=True):
        rho, (low, high) = _rank(truth, found.dream, seed)
        dream, impossible = found.dream[: truth.varied], found.impossible[: truth.varied]
        sweep.append(
            [
                f"{found.temperature:g}",
                f"{rho:.2f}",
                f"[{low:.2f}, {high:.2f}]",
                *(("", "") if ranks is None else (f"{ranks.rho:.2f}", "[{:.2f}, {:.2f}]".format(*ranks.interval))),
                f"{dream.mean():.0f}",
                f"{real.mean():.0f}",
                f"{int(impossible.sum())} of {impossible.size}",
            ]
        )
    halves = f"{between_halves(real):.2f} between halves of the tracks"
    road = next((f", {ranks.road:.2f} between halves of their tracks" for ranks in truth.ranks if ranks), "")
    return (
        "\n\n".join(
            [
                f"{len(d.tracks)} real drives on {where} tracks; the dream has the same actions from the same moment, "
                "at temperature 0. Mean absolute errors of what the state probe reads.",
                comparison.table(horizons),
                "Drives of the run's agent, where it drives on in the dream by what it sees there.",
                comparison.table(driven),
                f"{truth.varied} controllers of every skill ({_kinds(truth)}), each on {real.shape[1]} {where} tracks "
                f"and in as many dreams of at most {truth.returns[0].num_decisions} decisions ({halves}); of these and "
                f"{len(truth.real) - truth.varied} more near the best, {good} return {truth.above:g} or more on the "
                f"road{road}.",
                comparison.table(sweep),
                *_judged_text(truth, seed),
                *_states_text(truth.states),
                *_failures_text(truth.failures),
                *_calibration_text(truth.calibration),
            ]
        )
        + "\n"
    )


def _kinds(truth: DreamTruth) -> str:
    centers = sum(generation > 0 for generation in truth.generations[: truth.varied])
    return f"centers of its searches: {centers}, its C with noise: {truth.varied - centers}"


def _calibration_text(found: Calibration | None) -> list[str]:
    if found is None:
        return ["The run has left its episodes behind, so single decisions were not looked at."]
    bins = [["reward of one decision", *map(str, range(1, len(found.expected) + 1))]]
    bins.append(["expected", *(f"{value:.2f}" for value in found.expected)])
    bins.append(["came", *(f"{value:.2f}" for value in found.found)])
    ends = "" if found.expected_ends is None else f" Ends expected {found.expected_ends:.1f}, came {found.found_ends}."
    text = f"{found.steps:,} single decisions of held-out episodes, in tenths by what M expects. "
    return [f"{text}Mean error {found.error:.3f}.{ends}", comparison.table(bins)]


def _judged_text(truth: DreamTruth, seed: int) -> list[str]:
    if truth.judged is None:
        return []
    rho, (low, high) = _rank(truth, truth.judged, seed)
    text = f"In dreams of the last member of M's ensemble, at temperature 1: rho {rho:.2f} [{low:.2f}, {high:.2f}]"
    if ranks := ranks_above(truth.judged, truth.real, truth.above, seed):
        text += f", above {truth.above:g} {ranks.rho:.2f} [{ranks.interval[0]:.2f}, {ranks.interval[1]:.2f}]"
    return [f"{text}; mean dreamt return {truth.judged[: truth.varied].mean():.0f}."]


def _rank(truth: DreamTruth, dream: np.ndarray, seed: int) -> tuple[float, tuple[float, float]]:
    """The rank correlation of controllers of every skill, and its 95% interval, by their dreamt returns (m, n)."""
    dream, real = dream[: truth.varied], truth.real[: truth.varied]
    return spearman(dream.mean(1), real.mean(1)), spearman_interval(dream, real, seed)


def _states_text(states: StatesFound) -> list[str]:
    columns = [states.truth, states.road, states.dream]
    shares = [["share of moments", "road, as it is", "road, as read", "dream, as read", "by thirds: road", "dream"]]
    found = [tail_shares(column) for column in columns]
    for name in found[0]:
        thirds = ["/".join(f"{share:.1%}" for share in one[name][1:]) for one in found[1:]]
        shares.append([name, *(f"{one[name][0]:.1%}" for one in found), *thirds])
    sizes = [["median, 95%, 99% of the size", "road, as it is", "road, as read", "dream, as read"]]
    for name in (*STATE, "speed"):
        row = ("{:.3g}, {:.3g}, {:.3g}".format(*percentiles(column, name)) for column in columns)
        sizes.append([name, *row])
    return [
        f"What the agent meets where it drives on for {states.road['speed'].shape[1]} moments, on the road on "
        f"{len(states.road['speed'])} drives, and in {len(states.dream['speed'])} dreams at temperature 1 from the "
        f"same moments (R² of the reading of speed {states.speed_r2:.2f}).",
        comparison.table(shares),
        comparison.table(sizes),
    ]


def _failures_text(failures: Failures) -> list[str]:
    n = len(failures.road)
    if not n:
        return [f"None of {failures.cars} cars with shaking hands failed, so nothing is known of what comes after."]
    rows = [[f"in the {AFTER} decisions after it", "return", "share that earns nothing any more", "95%"]]
    for name, rew in (("road", failures.road), ("dream", failures.dream)):
        share = float(stays(rew).mean())
        # Dreams of one failure are alike: as many independent ones as there are failures.
        interval = wilson_interval(share, n) or (0.0, 1.0)
        rows.append([name, f"{returns(rew).mean():.0f}", f"{share:.0%}", "{:.0%} to {:.0%}".format(*interval)])
    return [
        f"{n} of {failures.cars} cars with shaking hands failed: {STUCK} decisions without a reward. From there hands "
        f"are steady, on the road and in {len(failures.dream)} dreams at temperature 1.",
        comparison.table(rows),
    ]


def numbers_of(truth: DreamTruth) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "drives": {key: value for key, value in vars(truth.horizon).items() if key != "per_track"},
        "driven": {str(temperature): values for temperature, values in truth.driven.items()},
        "calibration": None if truth.calibration is None else vars(truth.calibration),
        "real": truth.real.tolist(),
        "generations": truth.generations,
        "varied": truth.varied,
        "road_between_halves": between_halves(truth.real[: truth.varied]),
        "above": truth.above,
        "judged": None if truth.judged is None else truth.judged.tolist(),
        "states": {
            **{
                where: {
                    "tails": tail_shares(states),
                    "percentiles": {name: percentiles(states, name) for name in (*STATE, "speed")},
                }
                for where, states in (
                    ("truth", truth.states.truth),
                    ("road", truth.states.road),
                    ("dream", truth.states.dream),
                )
            },
            "speed_r2": truth.states.speed_r2,
        },
        "failures": {
            "cars": truth.failures.cars,
            **{
                where: {"returns": returns(rew).tolist(), "stays": stays(rew).tolist()}
                for where, rew in (("road", truth.failures.road), ("dream", truth.failures.dream))
            },
        },
        "returns": [
            {
                "temperature": found.temperature,
                "dream": found.dream.tolist(),
                "decisions": found.decisions.tolist(),
                "impossible": int(found.impossible.sum()),
                "rho": spearman(found.dream[: truth.varied].mean(1), truth.real[: truth.varied].mean(1)),
                "ranks_above": None if ranks is None else vars(ranks),
            }
            for found, ranks in zip(truth.returns, truth.ranks, strict=True)
        ],
    }
