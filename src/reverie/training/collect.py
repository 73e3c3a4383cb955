"""Stage collect: driving at random, or by an agent of another run, into the run's store of episodes."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.agent import Agent, AgentConfig
from reverie.checkpoint import file_sha256
from reverie.data.episode import Episode
from reverie.data.store import Entry, EpisodeStore, write_episode
from reverie.envs.registry import action_size
from reverie.envs.starts import random_start, structured_start
from reverie.envs.vector import Start, Transition
from reverie.errors import UserError
from reverie.metrics import Progress
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import CONTROLLER, load_controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.policies import MenuPolicy, WalkPolicy
from reverie.recipe import RunConfig
from reverie.rollout import AgentPolicy, NoisyPolicy, Policy, cached_agent, rollout, vector_env
from reverie.run_folder import RunFolder, StageClock
from reverie.seeding import generator, sample_tracks, torch_seeded
from reverie.workers.pool import Workers

EPISODES_PER_TASK = 8
NETWORK_SPREAD = 0.1
"""Standard deviation of the weights of a random controller; V and M keep the random weights they are born with."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """An agent of another run, which drives some of the episodes."""

    folder: Path
    digest: str
    """Says which V, M and C they are."""
    agent: AgentConfig
    controller: ControllerConfig


@dataclass(frozen=True, kw_only=True)
class CollectTask:
    """Some episodes, for a worker."""

    folder: Path
    first: int
    skip: int
    """Episodes of this group that are in the store already."""
    tracks: tuple[int, ...]
    config: RunConfig
    driver: Driver | None
    """The agent that drives this group; None where it is driven at random."""


def collect(run: RunFolder, workers: Workers, *, quiet: bool) -> None:
    """Collects the episodes that are still missing."""
    config, clock = run.config, StageClock(run, "collect")
    store, driver = EpisodeStore(run.rollouts), driver_of(config)
    num = config.collect.episodes
    tracks = sample_tracks(generator(config.seed, "collect", "tracks"), num)
    first = len(store) // EPISODES_PER_TASK * EPISODES_PER_TASK  # a group that was cut short is driven again, whole
    tasks = [
        CollectTask(
            folder=run.rollouts,
            first=i,
            skip=max(0, len(store) - i),
            tracks=tuple(tracks[i : i + EPISODES_PER_TASK]),
            config=config,
            driver=driver if _is_agents(i, config) else None,
        )
        for i in range(first, num, EPISODES_PER_TASK)
    ]
    with Progress("collect", num, "episodes", start=first, quiet=quiet) as bar:
        for entries in workers.map(run_collect_task, tasks):
            for entry in entries:
                store.append(entry)
            bar.update(len(store), decisions=store.num_decisions)
            clock.beat()
    facts = {
        "episodes": len(store),
        "decisions": store.num_decisions,
        "frames": store.num_decisions * config.env.action_repeat,
        "mean_return": float(np.mean([entry["episode_return"] for entry in store.entries])),
    }
    if driver:
        by_agent = [entry["episode_return"] for i, entry in enumerate(store.entries) if _is_agents(i, config)]
        mean = float(np.mean(by_agent)) if by_agent else None
        facts |= {"agent_episodes": len(by_agent), "agent_mean_return": mean, "agent_sha256": driver.digest}
    clock.done([run.rollouts / "index.jsonl"], facts)


def driver_of(config: RunConfig) -> Driver | None:
    """The agent that shall drive, or None. Raises UserError where it is missing, not finished, or of another world."""
    if not config.collect.agent:
        return None
    run = RunFolder.open(config.collect.agent)
    run.require_agent()
    ours, theirs = config.env, run.config.env
    if (ours.id, ours.action_repeat) != (theirs.id, theirs.action_repeat):
        raise UserError(
            f"collect.agent {run.name} drives {theirs.id} with env.action_repeat = {theirs.action_repeat}, not "
            f"{ours.id} with {ours.action_repeat}: choose an agent of the same world"
        )
    digest = "".join(file_sha256(path)[:16] for path in (run.vision, run.memory, run.controller))
    controller, _ = load_controller(run.controller)
    return Driver(folder=run.path, digest=digest, agent=run.config.agent, controller=controller.config)


def _is_agents(episode: int, config: RunConfig) -> bool:
    """Whether the agent drives this episode: so many of the groups, spread evenly."""
    group, share = episode // EPISODES_PER_TASK, config.collect.agent_share
    return bool(config.collect.agent) and int((group + 1) * share) > int(group * share)


def run_collect_task(task: CollectTask) -> list[Entry]:
    """Drives the episodes of a task in lockstep and writes them; gives their entries for the index."""
    env = vector_env(task.config.env, EPISODES_PER_TASK)
    recorder = _Recorder()
    policy = _make_policy(task.config, task.first) if task.driver is None else _shaken(task.driver, task.config)
    collect = task.config.collect
    limits = {"max_decisions": collect.steps, "patience": collect.patience or None}
    starts = _starts(task.config, range(task.first, task.first + len(task.tracks)))
    rollout(env, policy, task.tracks, starts=starts, **limits, observer=recorder)
    return [
        write_episode(task.folder, task.first + row, recorder.episode(row), seed)
        for row, seed in enumerate(task.tracks)
        if row >= task.skip
    ]


class _Recorder:
    """Keeps what each row saw and did."""

    def __init__(self) -> None:
        self._obs: dict[int, list[np.ndarray]] = defaultdict(list)
        self._act: dict[int, list[np.ndarray]] = defaultdict(list)
        self._rew: dict[int, list[float]] = defaultdict(list)
        self._last: dict[int, tuple[np.ndarray, bool, bool]] = {}

    def __call__(self, rows: np.ndarray, obs: np.ndarray, act: np.ndarray, step: Transition) -> None:
        for i, row in enumerate(rows):
            self._obs[row].append(obs[i])
            self._act[row].append(act[i])
            self._rew[row].append(step.rew[i])
            self._last[row] = (step.obs[i], bool(step.end[i]), bool(step.trunc[i]))

    def episode(self, row: int) -> Episode:
        last, end, trunc = self._last[row]
        return Episode(
            obs=np.stack([*self._obs[row], last]),
            act=np.stack(self._act[row]).astype(np.float32),
            rew=np.array(self._rew[row], np.float32),
            end=end,
            trunc=trunc,
        )


def _make_policy(config: RunConfig, first: int) -> Policy:
    """The driver of the group of episodes that starts at `first`."""
    collect = config.collect
    kind = collect.policy
    if kind == "mixed":
        kind = "menu" if first // EPISODES_PER_TASK % 2 else "walk"
    if kind == "menu":
        return MenuPolicy(collect.hold, collect.push, config.seed)
    if kind == "walk":
        return WalkPolicy(collect.hold, collect.push, config.seed)
    return _random_networks(config, first)


def _shaken(driver: Driver, config: RunConfig) -> Policy:
    """The agent with noise on its actions."""
    agent = cached_agent(driver.folder, driver.digest, driver.agent, driver.controller)
    _, params = load_controller(driver.folder / CONTROLLER)
    return NoisyPolicy(AgentPolicy(agent, params[None]), config.collect.agent_noise, config.collect.hold, config.seed)


def _starts(config: RunConfig, episodes: range) -> list[Start] | None:
    """Where the cars of these episodes start."""
    if config.collect.starts == "structured":
        return [structured_start(i) for i in episodes]
    if config.collect.starts == "random":
        return [random_start(config.seed, i) for i in episodes]
    return None


def _random_networks(config: RunConfig, first: int) -> Policy:
    """Random V, M and C (the paper's policy): one V and M for the group, a controller for each episode."""
    with torch_seeded(config.seed, "networks", first):
        vision = make_vision(config.vision)
        memory = Memory(config.memory.model, config.vision.net.z_size, action_size(config.env))
    controller = Controller(config.controller.model, memory.z_size, memory.config.hidden_size)
    rng = generator(config.seed, "networks", first)
    params = NETWORK_SPREAD * rng.standard_normal((EPISODES_PER_TASK, controller.num_params))
    num = min(EPISODES_PER_TASK, config.collect.episodes - first)  # the last group may be smaller
    return AgentPolicy(Agent(vision, memory, controller, config.agent), params[:num])
