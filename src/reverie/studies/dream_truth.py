"""How true a run's dreams are: against real drives under the same actions, and as a judge of drivers.

Shapes: m controllers, n tracks, p parameters of a controller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reverie.agent import Agent
from reverie.checkpoint import write_atomically, write_json
from reverie.data.batches import SequenceSampler
from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.dream.dreamer import load_dreams
from reverie.envs.config import EnvConfig
from reverie.envs.registry import random_policy, require_truth, spec_of
from reverie.errors import UserError
from reverie.measure.dream.horizon import (
    HORIZONS,
    DreamHorizon,
    RealEpisodes,
    driven_rewards,
    join,
    measure_dream,
    record_episodes,
)
from reverie.measure.dream.returns import (
    Calibration,
    DreamReturns,
    calibration,
    dream_returns,
)
from reverie.measure.statistics import spearman_interval
from reverie.measure.truth.judges import load_judges
from reverie.measure.truth.labelled import STATE
from reverie.measure.vision import comparison
from reverie.metrics import Progress
from reverie.models.files import load_controller
from reverie.policies import AgentPolicy
from reverie.run.folder import RunFolder
from reverie.run.world import check_same_world
from reverie.seeding import TEST_TRACKS, VALIDATION_TRACKS, generator, sample_tracks
from reverie.show import charts
from reverie.training.controller.rollouts import Rollouts, agent_of
from reverie.training.controller.search import Evolution
from reverie.workers.contract import Workers

TEMPERATURES = (0.0, 0.5, 1.0, 1.15, 1.3)
NOISE = 0.1
"""Deviation of the noise on a controller's parameters, in those of its own: drivers of another kind than those the
search went through."""
BATCHES, BATCH, LENGTH = 16, 64, 32


@dataclass(frozen=True, kw_only=True)
class DreamTruth:
    """Everything that was measured."""

    horizon: DreamHorizon
    driven: dict[float, tuple[tuple[float, ...], tuple[float, ...]]]
    """At each temperature, what M foresees to each horizon where the agent drives on in the dream, and what came."""
    calibration: Calibration
    returns: list[DreamReturns]
    """At each temperature."""
    real: np.ndarray
    """(m, n) returns on real tracks."""
    generations: list[int]
    """(m,) from which generation of the search each controller is; those with noise are counted as -1."""


def measure_truth(
    run: RunFolder,
    workers: Workers,
    *,
    driver: RunFolder,
    drives: int,
    controllers: int,
    tracks: int,
    seed: int,
    test: bool,
    quiet: bool,
) -> DreamTruth:
    """`drives` real drives to dream along, half by the agent of `driver` and half at random; `controllers` of varied
    skill on `tracks` real tracks and in as many dreams.

    Raises UserError where the run has no C, its search is gone, or the driver does not know its world.
    """
    require_truth(run.config.env, run.name)
    driver.require_agent()
    check_same_world(run.config, driver.config, f"--driver: {driver.name}")
    run.require_agent()
    dreams, (controller, best) = load_dreams(run.path), load_controller(run.controller)
    agent = Agent(dreams.vision, dreams.memory, controller, run.config.agent)
    held_out = TEST_TRACKS if test else VALIDATION_TRACKS
    chosen = sample_tracks(generator(seed, "dream truth"), 2 * drives + tracks, held_out)
    own, at_random = episodes_of(agent, best, chosen[:drives], run.config.env, seed)
    by_agent = own if driver is run else episodes_of(*agent_of(driver), chosen[:drives], run.config.env, seed)[0]
    params, generations = varied_controllers(run, agent, best, controllers, seed)
    on = np.repeat(np.array(chosen[-tracks:])[None], len(params), axis=0)
    with Progress("real drives", on.size, "episodes", quiet=quiet) as bar:
        outcomes = Rollouts(run, workers, agent.controller.config).outcomes(params, on, progress=bar)
    found = []
    with Progress("dreams", len(TEMPERATURES), "temperatures", quiet=quiet) as bar:
        for temperature in TEMPERATURES:
            found.append(
                dream_returns(
                    dreams,
                    agent.controller,
                    params,
                    temperature=temperature,
                    num_dreams=tracks,
                    num_decisions=dreams.world.max_decisions,
                    seed=seed,
                    largest=spec_of(run.config.env).largest_return,
                )
            )
            bar.advance(1)
    latents = LatentStore(run.latents)
    sampler = SequenceSampler(latents, BATCH, LENGTH, seed, episodes=split(latents.rounds).held_out)
    return DreamTruth(
        horizon=measure_dream(
            dreams.vision,
            dreams.memory,
            load_judges(),
            join([by_agent, at_random]),
            [member.memory for member in dreams.members],
        ),
        driven=driven_rewards(dreams.vision, dreams.memory, agent.controller, best, own, TEMPERATURES, seed),
        calibration=calibration(dreams.memory, [sampler.batch(i) for i in range(BATCHES)]),
        returns=found,
        real=np.array([outcome.ret for outcome in outcomes]).reshape(len(params), tracks),
        generations=generations,
    )


def episodes_of(
    agent: Agent, params: np.ndarray, tracks: Sequence[int], env: EnvConfig, seed: int
) -> tuple[RealEpisodes, RealEpisodes]:
    """Real drives from anywhere on the road, on half of the tracks by `agent`, on half at random."""
    half, walk = len(tracks) // 2, random_policy(env, "walk", hold=6, push=0, seed=seed)
    return (
        record_episodes(AgentPolicy(agent, params[None]), tracks[:half], env, seed),
        record_episodes(walk, tracks[half : 2 * half], env, seed + 1),
    )


def varied_controllers(
    run: RunFolder, agent: Agent, best: np.ndarray, num: int, seed: int
) -> tuple[np.ndarray, list[int]]:
    """Controllers (m, p) of every skill: centers of the search from its first generation on, more of the early ones,
    where skill changes fastest, and the best with noise on its parameters."""
    evolution = Evolution(run, agent.controller)
    if not evolution.history:
        raise UserError(
            f"{run.name} does not hold its search (evolution/state.safetensors), which drivers are taken from"
        )
    noisy = num // 4
    wanted = np.unique(np.geomspace(1, evolution.generation, num - noisy).round().astype(int))
    centers = evolution.params_after(wanted.tolist())
    rng = generator(seed, "varied controllers")
    scales = np.linspace(0.5, 4, noisy)[:, None] * NOISE * np.std(best)
    others = best + scales * rng.standard_normal((noisy, len(best)))
    return np.concatenate([centers, others]), [*wanted.tolist(), *[-1] * noisy]


def write_truth(folder: Path, run: RunFolder, truth: DreamTruth, *, seed: int, test: bool) -> str:
    """Writes truth.json, truth.md and pictures into `folder`; returns the text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = text_of(truth, seed, test)
    write_json(folder / "truth.json", numbers_of(truth))
    with write_atomically(folder / "truth.md") as file:
        file.write(text.encode())
    d = truth.horizon
    charts.dream_error(folder / "truth_horizon.png", HORIZONS, d.dream, d.still, d.seen, run.config.env.action_repeat)
    one = next(found for found in truth.returns if found.temperature == 1)
    low, high = spearman_interval(one.dream, truth.real, seed)
    rho = one.rank_correlation(truth.real.mean(1))
    title = f"{len(truth.real)} controllers: Spearman's rho {rho:.2f} [{low:.2f}, {high:.2f}] at temperature 1"
    charts.dream_returns(folder / "truth_returns.png", one.dream, truth.real, title=title)
    return text


def text_of(truth: DreamTruth, seed: int, test: bool) -> str:
    """The tables, as Markdown."""
    d, c = truth.horizon, truth.calibration
    where = "test" if test else "validation"
    horizons = [["after decisions", *map(str, HORIZONS)]]
    for name in STATE:
        for label, values in (("dream", d.dream), ("last frame", d.still), ("frame seen by V", d.seen)):
            horizons.append([f"{name}: {label}", *(f"{value:.3g}" for value in values[name])])
    horizons.append(["error of the dream / of the last frame", *(f"{value:.2f}" for value in d.relative)])
    horizons.append(["the same, of the median of dreams at temperature 1", *(f"{v:.2f}" for v in d.relative_median)])
    horizons.append(["the same, of the latent", *(f"{value:.2f}" for value in d.latent)])
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
    real = truth.real.mean(1)
    sweep = [["temperature", "rho", "95%", "mean dreamt return", "mean real return", "impossible returns"]]
    for found in truth.returns:
        low, high = spearman_interval(found.dream, truth.real, seed)
        sweep.append(
            [
                f"{found.temperature:g}",
                f"{found.rank_correlation(real):.2f}",
                f"[{low:.2f}, {high:.2f}]",
                f"{found.dream.mean():.0f}",
                f"{real.mean():.0f}",
                f"{int(found.impossible.sum())} of {found.impossible.size}",
            ]
        )
    bins = [["reward of one decision", *map(str, range(1, len(c.expected) + 1))]]
    bins.append(["expected", *(f"{value:.2f}" for value in c.expected)])
    bins.append(["came", *(f"{value:.2f}" for value in c.found)])
    ends = "" if c.expected_ends is None else f" Ends expected {c.expected_ends:.1f}, came {c.found_ends}."
    return (
        "\n\n".join(
            [
                f"{len(d.tracks)} real drives on {where} tracks; the dream has the same actions from the same moment, "
                "at temperature 0. Mean absolute errors of what the state probe reads.",
                comparison.table(horizons),
                "Drives of the run's agent, where it drives on in the dream by what it sees there.",
                comparison.table(driven),
                f"{len(truth.real)} controllers, each on {truth.real.shape[1]} {where} tracks and in as many dreams of "
                f"at most {truth.returns[0].num_decisions} decisions.",
                comparison.table(sweep),
                f"{c.steps:,} single decisions of held-out episodes, in tenths by what M expects. "
                f"Mean error {c.error:.3f}.{ends}",
                comparison.table(bins),
            ]
        )
        + "\n"
    )


def numbers_of(truth: DreamTruth) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "drives": {key: value for key, value in vars(truth.horizon).items() if key != "per_track"},
        "driven": {str(temperature): values for temperature, values in truth.driven.items()},
        "calibration": vars(truth.calibration),
        "real": truth.real.tolist(),
        "generations": truth.generations,
        "returns": [
            {
                "temperature": found.temperature,
                "dream": found.dream.tolist(),
                "decisions": found.decisions.tolist(),
                "impossible": int(found.impossible.sum()),
                "rho": found.rank_correlation(truth.real.mean(1)),
            }
            for found in truth.returns
        ],
    }
