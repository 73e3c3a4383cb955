"""Controllers, or plans, at the wheel of a run's V and M, wherever episodes are run.

Shapes: n controllers, t tracks, p parameters of C.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from reverie.agent import Agent
from reverie.checkpoint import file_sha256
from reverie.dream.dreamer import load_dreams
from reverie.dream.plan import PlanConfig, PlanPolicy
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.measure.score import ROWS_PER_TASK, rollout_all
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import MODELS, check_made_for, load_controller, load_models
from reverie.progress import Progress
from reverie.rollout import Outcome, RolloutTask
from reverie.run.folder import RunFolder
from reverie.workers.contract import Workers

ROWS_OF_ONE = 16
"""Episodes of a single controller that a worker steps together: there are fewer of them to share out."""


def agent_of(run: RunFolder, path: Path | None = None) -> tuple[Agent, np.ndarray]:
    """The run's agent and the parameters of its C (p,), or of another C of this run in the file `path`, also while the
    search still goes on. Raises UserError where that is none of this run."""
    run.require_models() if path else run.require_agent()
    controller, params = load_controller(path or run.controller)
    vision, memory = load_models(run.path, run.device)
    if (controller.z_size, controller.h_size) != (memory.z_size, memory.config.hidden_size):
        raise UserError(f"--controller {path} is not of {run.name}: its inputs are of another size")
    if path:
        check_made_for(path, run.path)
    return Agent(vision, memory, controller, run.config.agent), params


def planning_agent(run: RunFolder, config: PlanConfig) -> tuple[Agent, np.ndarray, partial[PlanPolicy]]:
    """The run's agent, the parameters (p,) of the C that its plans follow, if it has one, and what makes a driver that
    plans of the two. Raises UserError where V or M are missing, or the M cannot be planned in."""
    run.require_models()
    if config.follow and run.is_done("controller"):
        agent, params = agent_of(run)
    else:
        config = replace(config, follow=False, tail=0)
        vision, memory = load_models(run.path, run.device)
        actions, shape = spec_of(run.config.env).actions, run.config.controller.model
        controller = Controller(shape, memory.z_size, memory.config.hidden_size, actions)
        agent, params = Agent(vision, memory, controller, run.config.agent), np.zeros(controller.num_params)
    dreams = load_dreams(run.path, run.device)
    members = tuple(one.memory for one in dreams.members) if config.members == "random" else ()
    driver = partial(PlanPolicy, world=dreams.world, config=config, members=members)
    driver(agent, params[None])  # says at once what it cannot do
    return agent, params, driver


class Rollouts:
    """Lets controllers of one shape act with the V and M of `run`, on the road."""

    def __init__(self, run: RunFolder, workers: Workers, shape: ControllerConfig) -> None:
        self.run, self._workers, self.shape = run, workers, shape
        self.made_with = {"vision_sha256": file_sha256(run.vision), "memory_sha256": file_sha256(run.memory)}
        self._folder = workers.place(run.path, MODELS)

    def task(
        self,
        params: np.ndarray,
        tracks: np.ndarray,
        *,
        env: EnvConfig | None = None,
        stall_decisions: int | None = None,
        max_decisions: int | None = None,
    ) -> RolloutTask:
        """Each of `params` (n, p) on its own `tracks` (n, t), controller by controller, in the run's world or `env`."""
        assert len(params) == len(tracks), f"{len(params)} controllers for {len(tracks)} rows of tracks"
        return RolloutTask(
            folder=self._folder,
            digest="".join(self.made_with.values()),
            env=env or self.run.config.env,
            agent=self.run.config.agent,
            controller=self.shape,
            params=np.repeat(params.astype(np.float32), tracks.shape[1], axis=0),
            seeds=tuple(tracks.ravel().tolist()),
            stall_decisions=stall_decisions,
            max_decisions=max_decisions,
            device=self.run.recipe.device,
        )

    def outcomes(
        self,
        params: np.ndarray,
        tracks: np.ndarray,
        *,
        stall_decisions: int | None = None,
        max_decisions: int | None = None,
        progress: Progress | None = None,
    ) -> list[Outcome]:
        """The outcomes of such a task, controller by controller."""
        task = self.task(params, tracks, stall_decisions=stall_decisions, max_decisions=max_decisions)
        rows = ROWS_PER_TASK if len(params) > 1 else ROWS_OF_ONE
        return rollout_all(task, self._workers, rows_per_task=rows, progress=progress)

    def validated(self, params: np.ndarray, tracks: np.ndarray) -> list[Outcome]:
        """See `SearchWorld`."""
        return self.outcomes(params, tracks)

    watched = ()

    def watch(self, params: np.ndarray, tracks: np.ndarray) -> dict[str, list[Outcome]]:  # noqa: ARG002
        """See `SearchWorld`: nothing."""
        return {}

    def columns(self, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """See `SearchWorld`."""
        return {
            "frames": sum(outcome.frames for outcome in outcomes),
            "decisions": sum(outcome.decisions for outcome in outcomes),
        }
