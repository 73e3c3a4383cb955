"""Stage collect: driving at random, and by an agent of another run, into the run's store of episodes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reverie.agent import Agent, AgentConfig
from reverie.checkpoint import file_sha256
from reverie.data.episode import Episode
from reverie.data.store import EpisodeStore, Packed, pack_episode
from reverie.envs.registry import random_policy, spec_of, start
from reverie.envs.vector import Start, Transition
from reverie.errors import UserError
from reverie.metrics import Progress
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import MODELS, load_controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.policies import AgentPolicy, NoisyPolicy, Policy, RandomPolicy
from reverie.rollout import cached_agent, rollout, vector_env
from reverie.run.folder import RunFolder, collecting_agent
from reverie.run.recipe import CollectConfig, RunConfig
from reverie.seeding import generator, sample_tracks, torch_seeded
from reverie.training.stage_clock import StageClock
from reverie.training.summary import summarise
from reverie.workers.contract import Workers

EPISODES_PER_TASK = 8
NETWORK_SPREAD = 0.1
"""Standard deviation of the weights of a random controller; V and M keep the random weights they are born with."""


@dataclass(frozen=True, kw_only=True)
class ForeignAgent:
    """An agent of another run, which drives some of the episodes."""

    folder: Path
    digest: str
    """Says which V, M and C they are: the first 16 digits of the SHA-256 of each."""
    agent: AgentConfig
    controller: ControllerConfig
    params: np.ndarray
    """(p,) of C."""


@dataclass(frozen=True, kw_only=True)
class CollectTask:
    """Some episodes, for a worker."""

    first: int
    skip: int
    """Episodes of this group that are in the store already."""
    tracks: tuple[int, ...]
    config: RunConfig
    foreign: ForeignAgent | None
    """The agent that drives its share of them."""


def collect(run: RunFolder, workers: Workers, *, quiet: bool) -> None:
    """Collects the episodes that are still missing."""
    config, store = run.config, EpisodeStore(run.rollouts)
    foreign = _foreign_agent(run, workers, begun=len(store) > 0)
    clock = StageClock(run, "collect")
    if foreign:
        clock.entry["agent_digest"] = foreign.digest
        clock.beat()  # known from before the first episode on
    num = config.collect.episodes
    tracks = sample_tracks(generator(config.seed, "collect", "tracks"), num)
    first = len(store) // EPISODES_PER_TASK * EPISODES_PER_TASK  # a group that was cut short is driven again, whole
    tasks = [
        CollectTask(
            first=i,
            skip=max(0, len(store) - i),
            tracks=tuple(tracks[i : i + EPISODES_PER_TASK]),
            config=config,
            foreign=foreign,
        )
        for i in range(first, num, EPISODES_PER_TASK)
    ]
    with Progress("collect", num, "episodes", start=first, quiet=quiet) as bar:
        for episodes in workers.map(run_collect_task, tasks):
            for episode in episodes:
                store.append(episode)
            bar.update(len(store), decisions=store.num_decisions)
            clock.beat()
    clock.done([run.rollouts / "index.jsonl"], _facts(store, run))


def _foreign_agent(run: RunFolder, workers: Workers, *, begun: bool) -> ForeignAgent | None:
    """The agent that shall drive, or None. Raises UserError where it cannot, or is not the one that drove so far."""
    agent = collecting_agent(run)
    if not agent:
        return None
    digest = "".join(file_sha256(path)[:16] for path in (agent.vision, agent.memory, agent.controller))
    if begun and run.stage("collect").get("agent_digest", digest) != digest:
        raise UserError(
            f"collect.agent: {agent.name} is no longer the agent that drove the first episodes of {run.path}: "
            f"restore it from a copy, or run `reverie collect --run {run.path} --again`"
        )
    controller, params = load_controller(agent.controller)
    return ForeignAgent(
        folder=workers.place(agent.path, MODELS),
        digest=digest,
        agent=agent.config.agent,
        controller=controller.config,
        params=params,
    )


def _is_agents(episode: int, collect: CollectConfig) -> bool:
    """Whether the agent drives this episode."""
    return collect.by_agent(episode + 1) > collect.by_agent(episode)


def _facts(store: EpisodeStore, run: RunFolder) -> dict[str, Any]:
    """What the manifest says of the episodes, and who drove how well."""
    config = run.config
    returns: dict[bool, list[float]] = {True: [], False: []}
    for i, entry in enumerate(store.entries):
        returns[_is_agents(i, config.collect)].append(entry["episode_return"])
    facts: dict[str, Any] = {
        "episodes": len(store),
        "decisions": store.num_decisions,
        "frames": store.num_decisions * config.env.action_repeat,
        "mean_return": float(np.mean(returns[True] + returns[False])),
    }
    if config.collect.scout:
        cost = summarise(RunFolder.open(run.scout))
        facts |= {"scout_minutes": cost["minutes"], "scout_frames": cost["frames"]}
    if config.collect.agent or config.collect.scout:
        facts["agent_episodes"] = len(returns[True])
        facts["agent_mean_return"] = float(np.mean(returns[True])) if returns[True] else None
        facts["random_mean_return"] = float(np.mean(returns[False])) if returns[False] else None
    return facts


def run_collect_task(task: CollectTask) -> list[Packed]:
    """Drives the episodes of a task."""
    collect, group = task.config.collect, range(task.first, task.first + len(task.tracks))
    agents = [i for i in group if _is_agents(i, collect)]
    others = [i for i in group if i not in agents]
    episodes: dict[int, Episode] = {}
    if others:
        episodes |= _record(task, others, _random_policy(task.config, others), collect.steps)
    if agents:
        assert task.foreign
        episodes |= _record(task, agents, _shaken(task.foreign, task.config), collect.agent_steps or collect.steps)
    return [
        pack_episode(i, episodes[i], seed)
        for i, seed in zip(group, task.tracks, strict=True)
        if i >= task.first + task.skip
    ]


def _record(task: CollectTask, indices: Sequence[int], policy: Policy, steps: int) -> dict[int, Episode]:
    """Some episodes of a task, in lockstep: index -> episode."""
    env, recorder = vector_env(task.config.env, EPISODES_PER_TASK), _Recorder()
    tracks = [task.tracks[i - task.first] for i in indices]
    starts, stall_decisions = _starts(task.config, indices), task.config.collect.stall_decisions or None
    rollout(env, policy, tracks, starts=starts, max_decisions=steps, stall_decisions=stall_decisions, observer=recorder)
    return {i: recorder.episode(row) for row, i in enumerate(indices)}


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


def _random_policy(config: RunConfig, indices: Sequence[int]) -> Policy:
    """The driver of these episodes of a group."""
    collect, group = config.collect, indices[0] // EPISODES_PER_TASK
    kind = collect.policy
    if kind == "mixed":
        kind = "menu" if group % 2 else "walk"
    if kind == "networks":
        return _random_networks(config, group * EPISODES_PER_TASK, indices)
    if kind == "random":
        return RandomPolicy(spec_of(config.env).actions, collect.hold, config.seed)
    return random_policy(config.env, kind, hold=collect.hold, push=collect.push, seed=config.seed)


def _shaken(foreign: ForeignAgent, config: RunConfig) -> Policy:
    """The agent with noise on its actions."""
    actions = spec_of(config.env).actions
    agent = cached_agent(foreign.folder, foreign.digest, foreign.agent, foreign.controller, actions)
    steady = AgentPolicy(agent, foreign.params[None])
    return NoisyPolicy(steady, actions, config.collect.agent_noise, config.collect.hold, config.seed)


def _starts(config: RunConfig, indices: Sequence[int]) -> list[Start] | None:
    """Where the cars of these episodes start: all of them the agent's, or none."""
    collect, count = config.collect, list(indices)
    if collect.starts == "line":
        return None
    if collect.starts == "structured":  # each kind counts its own, or a share of 1/5 would always have the same offset
        agents = _is_agents(indices[0], collect)
        count = [collect.by_agent(i) if agents else i - collect.by_agent(i) for i in indices]
    return [start(config.env, collect.starts, config.seed, i) for i in count]


def _random_networks(config: RunConfig, first: int, indices: Sequence[int]) -> Policy:
    """Random V, M and C (the paper's policy): one V and M for the group that starts at `first`, a controller for each
    episode."""
    with torch_seeded(config.seed, "networks", first):
        vision = make_vision(config.vision)
        actions = spec_of(config.env).actions
        memory = Memory(config.memory.model, config.vision.net.z_size, actions.size)
    controller = Controller(config.controller.model, memory.z_size, memory.config.hidden_size, actions)
    rng = generator(config.seed, "networks", first)
    params = NETWORK_SPREAD * rng.standard_normal((EPISODES_PER_TASK, controller.num_params))
    return AgentPolicy(Agent(vision, memory, controller, config.agent), params[[i - first for i in indices]])
