"""What the search for C has its workers do, on the road and in dreams: candidates near the agent that ships.

Shapes: n candidates, p parameters of a controller.
"""

from itertools import count

import numpy as np
import torch

from reverie.agent import Agent, AgentConfig
from reverie.benchmarks.speed import Clock, Round
from reverie.dream.dreamer import load_dreams
from reverie.dream.imagine import DreamConfig
from reverie.dream.rollout import ControllerPolicy
from reverie.dream.tracks import DreamTracks
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env
from reverie.envs.vector import VectorEnv
from reverie.lockstep import Lockstep
from reverie.measure.score import ROWS_PER_TASK
from reverie.models.controller import Controller
from reverie.models.files import CONTROLLER, load_controller, load_models, packaged
from reverie.policies import AgentPolicy

TRACKS = 2
"""That each candidate drives."""
DREAMS, DECISIONS = 256, 100
"""Dreams that a worker dreams together, and decisions of each."""


def candidates(num: int) -> tuple[Controller, np.ndarray]:
    """`num` controllers, each `TRACKS` times in a row -> (num * TRACKS, p)."""
    controller, params = load_controller(packaged() / CONTROLLER)
    noise = np.random.default_rng(0).standard_normal((num, len(params)))
    near = params + 0.1 * params.std() * noise
    return controller, np.repeat(near, TRACKS, axis=0).astype(np.float32)


def on_the_road(device: torch.device) -> tuple[VectorEnv, AgentPolicy]:
    """Environments and drivers as a worker of the search steps them."""
    controller, params = candidates(ROWS_PER_TASK // TRACKS)
    agent = Agent(*load_models(packaged(), device), controller, AgentConfig())
    return make_vector_env(EnvConfig(action_repeat=4), ROWS_PER_TASK), AgentPolicy(agent, params)


def in_dreams(device: torch.device) -> Round:
    """Decisions per second of candidates in dreams of the same agent's M, as a worker of the search dreams them; what
    dreams begin with is counted, too."""
    controller, params = candidates(DREAMS // TRACKS)
    dreams = load_dreams(packaged(), device)
    first = dreams.ensemble[0].to(device)
    bank, config = torch.arange(len(dreams.moments)), DreamConfig(precision="auto")
    env = DreamTracks([first], dreams.world, config, DREAMS, bank=bank, decisions=DECISIONS)
    clock, seeds = Clock(), count()

    def turn(seconds: float) -> float:
        clock.start(seconds)
        while not clock.units or clock.running:
            tracks = [next(seeds) for _ in range(TRACKS)] * (DREAMS // TRACKS)
            policy = ControllerPolicy(controller, torch.from_numpy(params).to(device))
            for decided in Lockstep(env, policy, tracks, max_decisions=DECISIONS):
                clock.count(len(decided.rows))
        return clock.rate

    return turn
