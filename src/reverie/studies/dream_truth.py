"""How true a run's dreams are: against real drives under the same actions, and as a judge of drivers.

Shapes: m controllers, n tracks, p parameters of a controller.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reverie.agent import Agent
from reverie.data.batches import SequenceSampler
from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.dream.dreamer import load_dreams
from reverie.envs.config import EnvConfig
from reverie.envs.random_policies import random_policy
from reverie.envs.registry import spec_of
from reverie.envs.truth import require_truth
from reverie.measure.dream.failures import Failures, measure_failures
from reverie.measure.dream.horizon import (
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
    Ranks,
    calibration,
    dream_returns,
    judged_returns,
    ranks_above,
)
from reverie.measure.dream.states import StatesFound, measure_states
from reverie.measure.truth.judges import load_judges
from reverie.models.files import load_controller
from reverie.models.mdn_rnn import Memory
from reverie.policies import AgentPolicy
from reverie.progress import Progress
from reverie.run.folder import RunFolder
from reverie.run.world import check_same_world
from reverie.seeding import TEST_TRACKS, VALIDATION_TRACKS, generator, sample_tracks
from reverie.training.controller.rollouts import Rollouts, agent_of
from reverie.training.controller.search import SEARCH_STATE, Evolution
from reverie.training.rounds import rounds_of
from reverie.workers.contract import Workers

TEMPERATURES = (0.0, 0.5, 1.0, 1.15, 1.3)
NOISE = 0.1
"""Deviation of the noise on a controller's parameters, in those of its own: drivers of another kind than those the
search went through."""
VARIED = (0.5, 32.0)
"""How many times that noise those of every skill have, from the least to the most: from a driver like the best to one
that hardly drives."""
NEAR = (1.0, 8.0)
"""The same of those near the best: far less than this leaves a good driver as it was."""
BATCHES, BATCH, LENGTH = 16, 64, 32


@dataclass(frozen=True, kw_only=True)
class DreamTruth:
    """Everything that was measured."""

    horizon: DreamHorizon
    driven: dict[float, tuple[tuple[float, ...], tuple[float, ...]]]
    """At each temperature, what M foresees to each horizon where the agent drives on in the dream, and what came."""
    calibration: Calibration | None
    """None where the run has left its episodes behind."""
    returns: list[DreamReturns]
    """At each temperature."""
    real: np.ndarray
    """(m, n) returns on real tracks."""
    generations: list[int]
    """(m,) from which generation each controller is, counted through the searches of all rounds; -1: with noise."""
    varied: int
    """The first so many controllers are of every skill; the others are near the best."""
    above: float
    """The real return from which a controller is good."""
    ranks: list[Ranks | None]
    """At each temperature, those of good controllers."""
    judged: np.ndarray | None
    """(m, n) returns in dreams of the last member of M's ensemble; None for a single M."""
    states: StatesFound
    """Of the agent, in dreams at temperature 1."""
    failures: Failures


def measure_truth(
    run: RunFolder,
    workers: Workers,
    *,
    driver: RunFolder,
    drives: int,
    controllers: int,
    tracks: int,
    above: float,
    seed: int,
    test: bool,
    quiet: bool,
) -> DreamTruth:
    """`drives` real drives to dream along, half by the agent of `driver` and half at random, and half as many in search
    of failures; `controllers` of varied skill, and half as many near the best, on `tracks` real tracks and in as many
    dreams. Controllers whose real return is `above` are looked at apart.

    Raises UserError where the run has no C, its search is damaged, or the driver does not know its world.
    """
    require_truth(run.config.env, run.name)
    driver.require_agent()
    check_same_world(run.config, driver.config, f"--driver: {driver.name}")
    run.require_agent()
    dreams, (controller, best) = load_dreams(run.path, run.device), load_controller(run.controller)
    agent = Agent(dreams.vision, dreams.memory, controller, run.config.agent)
    held_out = TEST_TRACKS if test else VALIDATION_TRACKS
    chosen = sample_tracks(generator(seed, "dream truth"), 2 * drives + tracks, held_out)
    failing = sample_tracks(generator(seed, "failures"), drives // 2, held_out)
    own, at_random = episodes_of(agent, best, chosen[:drives], run.config.env, seed)
    by_agent = own if driver is run else episodes_of(*agent_of(driver), chosen[:drives], run.config.env, seed)[0]
    searches = searches_of(run, agent)
    params, generations = varied_controllers(searches, best, controllers, seed)
    varied = len(params)
    near, later = controllers_near(searches, best, controllers // 2, seed)
    params, generations = np.concatenate([params, near]), generations + later
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
    judges = load_judges(device=run.device)
    real = np.array([outcome.ret for outcome in outcomes]).reshape(len(params), tracks)
    return DreamTruth(
        horizon=measure_dream(
            dreams.vision,
            dreams.memory,
            judges,
            join([by_agent, at_random]),
            [member.memory for member in dreams.members],
        ),
        driven=driven_rewards(dreams.vision, dreams.memory, agent.controller, best, own, TEMPERATURES, seed),
        calibration=_calibration(run, dreams.memory, seed),
        returns=found,
        real=real,
        generations=generations,
        varied=varied,
        above=above,
        ranks=[ranks_above(one.dream, real, above, seed) for one in found],
        judged=judged_returns(
            dreams,
            agent.controller,
            params,
            num_dreams=tracks,
            num_decisions=dreams.world.max_decisions,
            seed=seed,
        ),
        states=measure_states(dreams.vision, dreams.memory, judges, agent.controller, best, own, at_random, seed),
        failures=measure_failures(agent, best, failing, run.config.env, seed),
    )


def _calibration(run: RunFolder, memory: Memory, seed: int) -> Calibration | None:
    if not run.latents.is_dir():
        return None
    latents = LatentStore(run.latents)
    unseen, noise = split(latents.rounds).held_out, run.config.memory.latent_noise
    sampler = SequenceSampler(latents, BATCH, LENGTH, seed, episodes=unseen, latent_noise=noise)
    return calibration(memory, [sampler.batch(i) for i in range(BATCHES)])


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
    searches: Sequence[Evolution], best: np.ndarray, num: int, seed: int
) -> tuple[np.ndarray, list[int]]:
    """Controllers (m, p) of every skill: centers of the search from its first generation on, more of the early ones,
    where skill changes fastest, and as many times the best with ever more noise on its parameters.

    A run of rounds has searched as often, each time from where it was before: the last search alone has but good
    centers, and whatever ranks those ranks ties. So generations count through the `searches` of all its rounds. A
    run that has none, or left them behind, has the best with noise alone.
    """
    generations = sum(search.generation for search in searches)
    noisy = num // 2 if generations else num
    wanted = np.unique(np.geomspace(1, generations, num - noisy).round().astype(int)) if generations else np.empty(0)
    rng = generator(seed, "varied controllers")
    scales = np.geomspace(*VARIED, noisy)[:, None] * NOISE * np.std(best)
    others = best + scales * rng.standard_normal((noisy, len(best)))
    return np.concatenate([*_centers(searches, wanted), others]), [*wanted.astype(int).tolist(), *[-1] * noisy]


def controllers_near(
    searches: Sequence[Evolution], best: np.ndarray, num: int, seed: int
) -> tuple[np.ndarray, list[int]]:
    """Controllers (m, p) that are good, or nearly: centers of the last third of the last search, and the best with
    noise. Their generations count through all `searches`, too."""
    noisy, centers, later = num // 2 if searches else num, list[np.ndarray](), list[int]()
    if searches:
        *before, search = searches
        wanted = np.linspace(search.generation * 2 / 3, search.generation, num - noisy)
        wanted = np.unique(wanted.round().astype(int).clip(min=1))
        centers = [search.params_after(wanted.tolist())]
        later = (wanted + sum(each.generation for each in before)).tolist()
    scales = np.linspace(*NEAR, noisy)[:, None] * NOISE * np.std(best)
    others = best + scales * generator(seed, "controllers near").standard_normal((noisy, len(best)))
    return np.concatenate([*centers, others]), [*later, *[-1] * noisy]


def _centers(searches: Sequence[Evolution], wanted: np.ndarray) -> Iterator[np.ndarray]:
    """The centers after the `wanted` generations, which rise and count through all `searches`: those of each (g, p)."""
    first = 0
    for search in searches:
        own = wanted[(wanted > first) & (wanted <= first + search.generation)] - first
        if len(own):
            yield search.params_after(own.tolist())
        first += search.generation


def searches_of(run: RunFolder, agent: Agent) -> list[Evolution]:
    """Those of all rounds that still hold theirs; none where the run itself does not."""
    rounds = [each for each in rounds_of(run) if (each.evolution / SEARCH_STATE).exists()]
    return [Evolution(each, agent.controller) for each in rounds] if rounds and rounds[-1] is run else []
