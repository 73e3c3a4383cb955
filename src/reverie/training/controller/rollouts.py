"""Controllers at the wheel of a run's V and M, wherever episodes are run.

Shapes: n controllers, t tracks, p parameters of C.
"""

import numpy as np

from reverie.agent import Agent
from reverie.checkpoint import file_sha256
from reverie.envs.config import EnvConfig
from reverie.measure.score import ROWS_PER_TASK, rollout_all
from reverie.metrics import Progress
from reverie.models.controller import ControllerConfig
from reverie.models.files import MODELS, load_controller, load_models
from reverie.rollout import Outcome, RolloutTask
from reverie.run.folder import RunFolder
from reverie.workers.contract import Workers

ROWS_OF_ONE = 16
"""Episodes of a single controller that a worker steps together: there are fewer of them to share out."""


def agent_of(run: RunFolder) -> tuple[Agent, np.ndarray]:
    """The run's agent and the parameters of its C (p,)."""
    run.require_agent()
    controller, params = load_controller(run.controller)
    return Agent(*load_models(run.path), controller, run.config.agent), params


class Rollouts:
    """Lets controllers of one shape act with the V and M of `run`."""

    def __init__(self, run: RunFolder, workers: Workers, shape: ControllerConfig) -> None:
        self.run, self._workers, self._shape = run, workers, shape
        self.made_with = {"vision_sha256": file_sha256(run.vision), "memory_sha256": file_sha256(run.memory)}
        """Says in a controller's file which V and M it was made for."""
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
            controller=self._shape,
            params=np.repeat(params.astype(np.float32), tracks.shape[1], axis=0),
            seeds=tuple(tracks.ravel().tolist()),
            stall_decisions=stall_decisions,
            max_decisions=max_decisions,
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
