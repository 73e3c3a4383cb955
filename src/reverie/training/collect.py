"""Stage collect: driving at random, and by an agent of another run, into the run's store of episodes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reverie.agent import Agent, AgentConfig
from reverie.data.episode import Episode
from reverie.data.store import Entry, EpisodeStore, Packed, pack_episode
from reverie.devices import chosen_device
from reverie.envs.random_policies import random_policy
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.measure.statistics import confidence_interval
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import MODELS, load_controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.policies import AgentPolicy, NoisyPolicy, Policy, RandomPolicy
from reverie.progress import Progress
from reverie.rollout import cached_agent
from reverie.run.folder import RunFolder, collecting_agent, round_before
from reverie.run.ledger import forerunner_facts
from reverie.run.recipe import RunConfig
from reverie.seeding import generator, torch_seeded
from reverie.training.drives import Drive, Driver, about, planned
from reverie.training.imported import take_in
from reverie.training.recorder import EPISODES_PER_TASK, groups_left, record
from reverie.training.stage_clock import StageClock
from reverie.workers.contract import Workers

NETWORK_SPREAD = 0.1
"""Standard deviation of the weights of a random controller; V and M keep the random weights they are born with."""


@dataclass(frozen=True, kw_only=True)
class ForeignAgent:
    """An agent of another run, which drives some of the episodes."""

    folder: Path
    digest: str
    """Says which V, M and C they are."""
    agent: AgentConfig
    controller: ControllerConfig
    params: np.ndarray
    """(p,) of C."""


@dataclass(frozen=True, kw_only=True)
class CollectTask:
    """Some episodes, for a worker."""

    first: int
    """Number of the first among those of this run."""
    earlier: int
    """Episodes of rounds before, which come first in the store."""
    skip: int
    """Episodes of this group that are in the store already."""
    drives: tuple[Drive, ...]
    config: RunConfig
    foreign: ForeignAgent | None
    """The agent that drives its share of them."""


def collect(run: RunFolder, workers: Workers, *, quiet: bool) -> None:
    """Takes in the episodes of the round before, if there is one, and collects those that are still missing; or takes
    in those of others."""
    config, store = run.config, EpisodeStore(run.rollouts)
    if config.collect.is_taken and config.rounds.num == 1:
        take_in(run, quiet=quiet)
        return
    before = round_before(run)
    parts = [EpisodeStore(before.rollouts), EpisodeStore(before.laps)] if before else []
    earlier = sum(map(len, parts))
    foreign = _foreign_agent(run, workers, begun=len(store) > earlier)
    clock = StageClock(run, "collect")
    if foreign:
        clock.entry["agent_digest"] = foreign.digest
        clock.beat()  # known from before the first episode on
    if before:
        before.verify("collect")
        for i, part in enumerate(parts):
            store.adopt(part, sum(map(len, parts[:i])))
    drives = planned(config, store, earlier)
    left = groups_left(len(drives), len(store) - earlier)
    known = store.num_decisions - sum(entry["num_decisions"] for entry in store.entries[earlier:])
    tasks = [
        CollectTask(
            first=first,
            earlier=earlier,
            skip=skip,
            drives=tuple(drives[first : first + EPISODES_PER_TASK]),
            config=config,
            foreign=foreign,
        )
        for first, skip in left
    ]
    start = left[0][0] if left else len(drives)
    with Progress("collect", len(drives), "episodes", start=start, quiet=quiet) as bar:
        for episodes in workers.map(run_collect_task, tasks):
            for episode in episodes:
                store.append(episode)
            bar.update(len(store) - earlier, decisions=store.num_decisions - known)
            clock.beat()
    facts = _facts(run, store.entries[earlier:], drives) | forerunner_facts(run)
    clock.done([run.rollouts / "index.jsonl"], facts)


def _foreign_agent(run: RunFolder, workers: Workers, *, begun: bool) -> ForeignAgent | None:
    """The agent that shall drive, or None. Raises UserError where it cannot, or is not the one that drove so far."""
    agent = collecting_agent(run)
    if not agent:
        return None
    digest = agent.agent_digest
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


def _facts(run: RunFolder, entries: Sequence[Entry], drives: Sequence[Drive]) -> dict[str, Any]:
    """What the manifest says of the run's own episodes, and who drove how well."""
    config = run.config
    returns: dict[Driver, list[float]] = {"random": [], "agent": [], "lap": []}
    decisions: dict[Driver, int] = dict.fromkeys(returns, 0)
    for entry, drive in zip(entries, drives, strict=True):
        returns[drive.driver].append(entry["episode_return"])
        decisions[drive.driver] += entry["num_decisions"]
    facts: dict[str, Any] = {
        "episodes": len(entries),
        "decisions": sum(decisions.values()),
        "frames": sum(decisions.values()) * config.env.action_repeat,
        "mean_return": float(np.mean([entry["episode_return"] for entry in entries])),
    }
    if config.has_agent:
        facts["agent_episodes"] = len(returns["agent"])
        facts["agent_mean_return"] = float(np.mean(returns["agent"])) if returns["agent"] else None
        facts["random_mean_return"] = float(np.mean(returns["random"])) if returns["random"] else None
    if returns["lap"]:
        laps = np.array(returns["lap"])
        facts["measuring_frames"] = decisions["lap"] * config.env.action_repeat
        facts["laps"] = {"mean": float(laps.mean()), "ci95": confidence_interval(laps), "returns": returns["lap"]}
    return facts


def run_collect_task(task: CollectTask) -> list[Packed]:
    """Drives the episodes of a task: those of a driver that may last as long in lockstep."""
    alike: dict[tuple[Driver, int | None, int | None], list[int]] = defaultdict(list)
    for i, drive in enumerate(task.drives, task.first):
        alike[drive.driver, drive.steps, drive.stall_decisions].append(i)
    episodes: dict[int, Episode] = {}
    for (driver, *_), indices in alike.items():
        policy = _random_policy(task.config, indices) if driver == "random" else _at_the_wheel(task, driver)
        episodes |= _record(task, indices, policy)
    return [
        pack_episode(task.earlier + i, episodes[i], drive.track, about(task.config, drive))
        for i, drive in enumerate(task.drives, task.first)
        if i >= task.first + task.skip
    ]


def _record(task: CollectTask, indices: Sequence[int], policy: Policy) -> dict[int, Episode]:
    """Some episodes of a task that may last as long, in lockstep: index -> episode."""
    drives = [task.drives[i - task.first] for i in indices]
    episodes = record(
        task.config.env,
        policy,
        [drive.track for drive in drives],
        starts=[drive.start for drive in drives],
        max_decisions=drives[0].steps,
        stall_decisions=drives[0].stall_decisions,
    )
    return dict(zip(indices, episodes, strict=True))


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


def _at_the_wheel(task: CollectTask, driver: Driver) -> Policy:
    """The agent, with noise on its actions but for a lap."""
    foreign, config = task.foreign, task.config
    assert foreign, "only a run with an agent plans drives of one"
    actions = spec_of(config.env).actions
    agent = cached_agent(foreign.folder, foreign.digest, foreign.agent, foreign.controller, actions, config.device)
    steady = AgentPolicy(agent, foreign.params[None])
    if driver == "lap":
        return steady
    return NoisyPolicy(steady, actions, config.collect.agent_noise, config.collect.hold, config.seed)


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
    where = chosen_device(config.device)
    agent = Agent(vision.to(where), memory.to(where), controller, config.agent)
    return AgentPolicy(agent, params[[i - first for i in indices]])
