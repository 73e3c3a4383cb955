"""A tiny run with every stage done, made by the real file formats: random V, M and C, made-up episodes and scores."""

import os

# The processes of pytest share the cores: each of them, and whatever they start, computes on one thread if nobody says
# otherwise. This must stand before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# onnxruntime else tells its maker of its use, over the network.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Where a test is about a world that a module registers, it is this one.
os.environ.setdefault("REVERIE_TRUST", "tinypix")

import random
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from reverie.checkpoint import file_sha256
from reverie.data.episode import Episode
from reverie.data.latents import LatentStore, LatentWriter
from reverie.data.store import EpisodeStore, pack_episode
from reverie.dream.moments import make_moments, save_moments
from reverie.envs.registry import spec_of
from reverie.models.controller import Controller
from reverie.models.files import load_memory, load_vision, save_controller, save_memory, save_vision
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.notes import forget_notes
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.seeding import torch_seeded
from reverie.training.controller import curve
from reverie.training.controller.search import Evolution
from reverie.training.memory import world_of
from reverie.training.stage_clock import StageClock
from reverie.writing import write_json
from tests.evaluations import EVALUATION

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # SWIG's types lack __module__: as an error, that warning kills the interpreter
    import Box2D  # noqa: F401

NUM_EPISODES, NUM_DECISIONS = 10, 12


hypothesis.settings.register_profile(
    "reverie",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("reverie")
"""The same examples every time, however long they take."""


@pytest.fixture(autouse=True)
def _no_luck() -> None:
    """What a test draws without a seed of its own is the same whichever tests ran before it in this process."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (what others draw from it is meant)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _nothing_said_yet() -> None:
    """Each test may say what another has said before it in this process."""
    forget_notes()


@pytest.fixture(scope="session", autouse=True)
def _no_curve_on_the_way() -> Iterator[None]:
    """A search draws its curve now and then, half a second each: tests of that draw it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "draw_learning_curve", lambda run: None)  # noqa: ARG005
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, so that no process is left with one of them when the others have nothing to do. (Those of
    a group all run in one process.) What needs a GPU is left out where none is, and the summary says so."""
    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="torch finds no CUDA device on this machine"))
    items.sort(key=lambda item: not item.get_closest_marker("xdist_group") and "test_readme.py" not in item.nodeid)


@pytest.fixture
def tiny_run(tmp_path: Path, _tiny_run: Path) -> RunFolder:
    """A run of recipe debug with 24 frames of 6 decisions an episode at most; each test has its own copy."""
    return RunFolder.open(shutil.copytree(_tiny_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def _tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunFolder.create(tmp_path_factory.mktemp("tiny") / "run", settings.load("debug", ["env.max_frames=24"]))
    _collect(run)
    controller = _models(run)
    _encode(run)
    _remember(run)
    _evolve(run, controller)
    _evaluate(run)
    return run.path


def _collect(run: RunFolder) -> None:
    rng, store = np.random.default_rng(0), EpisodeStore(run.rollouts)
    for i in range(NUM_EPISODES):
        obs = np.full((NUM_DECISIONS + 1, 64, 64, 3), (100, 200, 100), np.uint8)
        for step in range(NUM_DECISIONS + 1):
            obs[step, :, 4 * step : 4 * step + 9] = 20 * i
        act = rng.uniform(0, 1, (NUM_DECISIONS, 3)).astype(np.float32)
        rew = rng.normal(size=NUM_DECISIONS).astype(np.float32)
        store.append(pack_episode(i, Episode(obs=obs, act=act, rew=rew, end=False, trunc=True), 10**6 + i))
    facts = {"episodes": NUM_EPISODES, "frames": 4 * NUM_EPISODES * NUM_DECISIONS}
    StageClock(run, "collect").done([run.rollouts / "index.jsonl"], facts)


def _models(run: RunFolder) -> Controller:
    config = run.config
    with torch_seeded(0, "tiny"):
        vision = make_vision(config.vision)
        memory = Memory(config.memory.model, config.vision.net.z_size, spec_of(config.env).actions.size)
    controller = Controller(config.controller.model, memory.z_size, memory.config.hidden_size)
    save_vision(run.vision, vision)
    save_memory(run.memory, memory, vision_sha256=file_sha256(run.vision))
    params = np.random.default_rng(1).normal(size=controller.num_params)
    made_for = {"vision_sha256": file_sha256(run.vision), "memory_sha256": file_sha256(run.memory)}
    save_controller(run.controller, controller, params, **made_for)
    StageClock(run, "vision").done([run.vision], {"held_out_mean_squared_error": 0.0123})
    return controller


def _encode(run: RunFolder) -> None:
    store, vision = EpisodeStore(run.rollouts), load_vision(run.vision).eval()
    sizes = {"num_observations": store.num_frames, "num_episodes": len(store)}
    with LatentWriter(run.latents, **sizes, z_size=vision.z_size, a_size=3, meta={}) as writer:
        for i in range(len(store)):
            with torch.inference_mode():
                mu, logvar = vision.encode(torch.from_numpy(store[i].obs))
            writer.append(mu.numpy(), logvar.numpy(), store[i])
    StageClock(run, "encode").done([run.latents / "meta.json"], {})


def _remember(run: RunFolder) -> None:
    moments = make_moments(load_memory(run.memory), LatentStore(run.latents), num=6, seed=0, context=4, action_repeat=4)
    moments = replace(moments, frames=torch.zeros(6, dtype=torch.long))  # these episodes outlast the world's limit
    save_moments(run.dream, moments, world_of(run.config.env), run.memory)
    StageClock(run, "memory").done([run.memory, run.dream], {})


def _evolve(run: RunFolder, controller: Controller) -> None:
    evolution = Evolution(run, controller)
    evolution.history = [
        {
            "generation": i + 1,
            "hours": 0.001 * (i + 1),
            "mean_return": 10.0 * i,
            "min_return": 5.0 * i,
            "max_return": 20.0 * i,
            "std_return": 3.0,
            "sigma": 0.1,
            "mean_steps": 24.0,
            "frames": 96,
            "decisions": 24,
            "seconds": 3.6,
            "eval_mean_return": 15.0 * i if i % 2 else None,
        }
        for i in range(6)
    ]
    evolution.evaluated = [evolution.strategy.center] * 3
    evolution.save()
    StageClock(run, "controller").done([run.controller, evolution.path], {"generations": 6, "frames": 576})


def _evaluate(run: RunFolder) -> None:
    evaluation = replace(
        EVALUATION,
        run="tiny",
        num_tracks=4,
        first_seed=0,
        mean=800.0,
        std=81.65,
        ci95=(670.0, 930.0),
        returns=(700.0, 800.0, 800.0, 900.0),
        num_finished=1,
        frames=3600,
        decisions=900,
    )
    write_json(run.evaluation, asdict(evaluation))
    StageClock(run, "evaluate").done([run.evaluation], {"mean": evaluation.mean})
