"""How much of the road C can read, and how well it drives: `python -m bench.readable RUN...`.

A good driver whose hands shake drives validation tracks; of each decision, the simulator knows where the car was.
Ridge regressions on what C of each run would have been given, fitted on two thirds of the tracks, are scored on the
others: R², for all inputs and for their principal directions. The last columns are the run's own controller on
validation tracks that no search has chosen on.
"""

import sys
from typing import NamedTuple

import numpy as np
import torch

from reverie.agent import Agent
from reverie.envs.car_racing.starts import random_start
from reverie.envs.config import EnvConfig
from reverie.envs.truth import labelled_env
from reverie.envs.vector import Transition
from reverie.measure.statistics import standard_error
from reverie.measure.vision.fidelity import linear_reading
from reverie.models.coding import encode
from reverie.policies import AgentPolicy, NoisyPolicy
from reverie.rollout import rollout
from reverie.run.folder import RunFolder
from reverie.seeding import VALIDATION_TRACKS
from reverie.training.controller.imitation import LatentEpisode, sights_of
from reverie.training.controller.rollouts import agent_of

NUM_DRIVES, NUM_SCORED = 96, 192
DRIVES = VALIDATION_TRACKS[3000 : 3000 + NUM_DRIVES]
SCORED = VALIDATION_TRACKS[1000 : 1000 + NUM_SCORED]
DECISIONS, STALL_DECISIONS, REPEAT = 180, 15, 4
NOISE, HOLD, SEED = 0.4, 6, 5
SETTLED = 8
"""Decisions after which M has seen enough to be asked."""
FACTS = ("curvature", "offset", "heading", "speed")
OFFSET, HEADING = 9.0, 1.2
"""Beyond these a car is lost, and a few of them would be most of the variance."""
DIRECTIONS = (None, 64, 32)


class Driven(NamedTuple):
    """A drive of t decisions, and what was true before each."""

    obs: np.ndarray
    """(t, 64, 64, 3)"""
    act: np.ndarray
    """(t, 3)"""
    rew: np.ndarray
    """(t,)"""
    facts: np.ndarray
    """(t, 4); NaN for the first decision."""


def drives() -> list[Driven]:
    """`pretrained` at the wheel, with noise, from random starts."""
    agent, params = agent_of(RunFolder.open("pretrained"))
    env = labelled_env(EnvConfig(action_repeat=REPEAT), NUM_DRIVES)
    found: list[list[tuple]] = [[] for _ in DRIVES]

    def observe(rows: np.ndarray, obs: np.ndarray, act: np.ndarray, step: Transition) -> None:
        labels = env.labels(rows)
        for i, row in enumerate(rows):
            found[row].append((obs[i], act[i], step.rew[i], [getattr(labels, fact)[i] for fact in FACTS]))

    policy = NoisyPolicy(AgentPolicy(agent, params[None]), agent.controller.actions, NOISE, HOLD, SEED)
    starts = [random_start(SEED, i) for i in range(NUM_DRIVES)]
    rollout(
        env, policy, DRIVES, starts=starts, max_decisions=DECISIONS, stall_decisions=STALL_DECISIONS, observer=observe
    )
    parts = ([np.array(values) for values in zip(*rows, strict=True)] for rows in found)
    # Labels are read after a decision: they are those before the next.
    return [
        Driven(obs, act, rew, np.concatenate([np.full_like(facts[:1], np.nan), facts[:-1]]))
        for obs, act, rew, facts in parts
    ]


def readings(agent: Agent, driven: list[Driven]) -> np.ndarray:
    """What C would have been given (d, i) at each decision of the drives, in order."""
    inputs = []
    for drive in driven:
        z = torch.from_numpy(encode(agent.vision, drive.obs, batch=None, precision=agent.config.precision)[0])
        rest = (torch.from_numpy(x.astype(np.float32)) for x in (drive.act, drive.rew))
        inputs.append(agent.controller.inputs(*sights_of(agent.memory, [LatentEpisode(z, *rest)])))
    return torch.cat(inputs).numpy().astype(np.float64)


def explained(inputs: np.ndarray, facts: np.ndarray, fitted: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """R² (f,) on the decisions `scored` of a regression of facts (d, f) on inputs (d, i), by the decisions `fitted`."""
    error = facts[scored] - linear_reading(inputs[fitted], facts[fitted], inputs[scored])
    return 1 - np.square(error).mean(0) / facts[scored].var(0)


def main(names: list[str]) -> None:
    """Prints a line for each run and number of directions."""
    driven = drives()
    facts = np.concatenate([drive.facts for drive in driven])
    track = np.repeat(np.arange(len(driven)), [len(drive.rew) for drive in driven])
    known = np.concatenate([np.arange(len(drive.rew)) >= SETTLED for drive in driven])
    known &= (abs(facts[:, FACTS.index("offset")]) < OFFSET) & (abs(facts[:, FACTS.index("heading")]) < HEADING)
    fitted, scored = known & (track < NUM_DRIVES * 2 // 3), known & (track >= NUM_DRIVES * 2 // 3)
    print(f"{known.sum():,} decisions on {NUM_DRIVES} tracks; returns on {NUM_SCORED} others")
    print("| run | C reads |", " | ".join(FACTS), "| mean return | below 800 |")
    for name in names:
        run = RunFolder.open(name)
        agent, params = agent_of(run)
        inputs = readings(agent, driven)
        mean = inputs[fitted].mean(0)
        axes = np.linalg.svd(inputs[fitted] - mean, full_matrices=False)[2]
        env = labelled_env(run.config.env, 64)
        returns = np.array([outcome.ret for outcome in rollout(env, AgentPolicy(agent, params[None]), SCORED)])
        score = f"{returns.mean():.1f} ± {standard_error(returns):.1f}"
        for num in DIRECTIONS:
            read = inputs if num is None else (inputs - mean) @ axes[:num].T
            cells = [f"{x:.3f}" for x in explained(read, facts, fitted, scored)]
            ends = ["", ""] if num else [score, f"{(returns < 800).mean():.0%}"]
            reads = f"{num} directions" if num else "all"
            print("|", " | ".join([run.path.name, reads, *cells, *ends]), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
