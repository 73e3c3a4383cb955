"""The Python API: what a program asks for is what the command line gives."""

import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import reverie
from reverie import Event, UserError
from reverie.policies import ExactPolicy
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.training.controller.rollouts import agent_of
from tests.processes import python

ROOT = Path(__file__).parents[2]
ONE_GENERATION: dict[str, Any] = {"controller.search.generations": 1, "vision.epochs": 1}


@pytest.mark.parametrize("name", ["driver", "run", "train"])
def test_what_docstrings_show_is_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(f"reverie.api.{name}"), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_page_runs_as_one_script_without_a_guard(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    script = tmp_path / "script.py"
    script.write_text("\n".join(blocks))
    python(script, cwd=tmp_path)
    assert (tmp_path / "runs/try/controller.safetensors").exists()


def test_to_import_it_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import reverie; print(*sorted(set(sys.modules) - before))"
    loaded = python("-c", code).split()
    assert [name for name in loaded if name.startswith("reverie")] == ["reverie"]
    assert not {"numpy", "torch", "gymnasium", "pydantic"} & set(loaded)


def test_all_of_its_names_are_there() -> None:
    assert [name for name in reverie.__all__ if getattr(reverie, name).__name__ != name] == []
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = reverie.laod  # pyright: ignore[reportAttributeAccessIssue]


def test_the_driver_does_what_the_agent_does_on_the_same_frames(tiny_run: RunFolder) -> None:
    agent, params = agent_of(tiny_run)
    policy = ExactPolicy(agent, params[None])
    policy.reset([0, 0, 0])
    driver, rng = reverie.load(tiny_run.path).agent(), np.random.default_rng(0)
    for step in range(4):
        obs, rew = rng.integers(0, 256, (3, 64, 64, 3), np.uint8), rng.normal(size=3)
        expected = policy.act(obs, rew.astype(np.float32))
        np.testing.assert_allclose(driver.act(obs, rew), expected, atol=1e-6)
        assert step == 0 or np.abs(expected).max() > 0


def test_a_single_picture_is_a_batch_of_one(tiny_run: RunFolder) -> None:
    driver, obs = reverie.load(tiny_run.path).agent(), np.full((64, 64, 3), 90, np.uint8)
    one = driver.act(obs)
    driver.reset()
    assert one.shape == (3,)
    np.testing.assert_array_equal(driver.act(obs[None]), one[None])


def test_it_takes_what_the_world_shows_and_forgets_the_panel(tiny_run: RunFolder) -> None:
    driver, obs = reverie.load(tiny_run.path).agent(), np.full((96, 96, 3), 90, np.uint8)
    shown = driver.act(obs)
    driver.reset()
    np.testing.assert_array_equal(driver.act(np.full((64, 64, 3), 90, np.uint8)), shown)
    driver.reset()
    obs[84:] = 255
    np.testing.assert_array_equal(driver.act(obs), shown)


def test_rows_begin_anew_while_the_others_go_on(tiny_run: RunFolder) -> None:
    driver, rng = reverie.load(tiny_run.path).agent(), np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 64, 64, 3), np.uint8)
    first = driver.act(frames)
    for _ in range(3):
        driver.act(frames)
    driver.reset([True, False])
    later = driver.act(frames)
    np.testing.assert_array_equal(later[0], first[0])
    assert np.abs(later[1] - first[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("obs", "reward", "said"),
    [
        (np.zeros((64, 64, 3), np.float32), 0.0, r"give uint8 of \(64, 64, 3\) or \(96, 96, 3\)"),
        (np.zeros((7, 7), np.uint8), 0.0, r"an observation \(7, 7\)"),
        (np.zeros((0, 64, 64, 3), np.uint8), 0.0, r"an observation \(0, "),
        (np.zeros((3, 64, 64, 3), np.uint8), 0.0, "3 pictures for 2 episodes"),
        (np.zeros((2, 64, 64, 3), np.uint8), [1, 2, 3], r"rewards \(3,\) for 2"),
    ],
)
def test_what_cannot_be_seen_is_refused(tiny_run: RunFolder, obs: np.ndarray, reward: object, said: str) -> None:
    driver = reverie.load(tiny_run.path).agent()
    driver.act(np.zeros((2, 64, 64, 3), np.uint8))
    with pytest.raises(UserError, match=said):
        driver.act(obs, reward)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match=r"give bools \(2,\)"):
        driver.reset([True])


def test_a_run_says_what_is_kept_of_it(tiny_run: RunFolder) -> None:
    run = reverie.load(tiny_run.path)
    assert run.score is not None
    assert (run.score.mean, run.score.ci95, run.score.returns[0]) == (800.0, (670.0, 930.0), 700.0)
    assert run.latents.mu.shape == (10 * 13, 8)
    vision, memory = run.models()
    assert vision.z_size == memory.z_size == 8
    with pytest.raises(UserError, match="no complete latents"):
        _ = reverie.load("pretrained").latents


def test_what_it_measures_is_kept(tiny_run: RunFolder) -> None:
    run = reverie.load(tiny_run.path)
    found = run.evaluate(5, workers=0, quiet=True)
    assert run.score is not None
    assert run.score.returns == found.returns
    assert reverie.load(tiny_run.path).score == run.score
    with pytest.raises(UserError, match="not all test tracks"):
        run.evaluate(5, first_seed=499_999)


def test_a_damaged_evaluation_is_named(tiny_run: RunFolder) -> None:
    tiny_run.evaluation.write_text('{"renderer": "gymnasium", "num_tracks": 3}')
    with pytest.raises(UserError, match=r"evaluation\.json is no evaluation \(run: "):
        _ = reverie.load(tiny_run.path).score


def test_the_agent_drives_on_its_road_and_in_its_dream(tiny_run: RunFolder) -> None:
    run = reverie.load(tiny_run.path)
    for env in (reverie.make_road(run, observation="frame"), reverie.make_dream(run, observation="frame")):
        assert isinstance(env, gymnasium.Env)
        agent = run.agent()
        obs, _ = env.reset(seed=0)
        obs, reward, *_ = env.step(agent.act(obs))
        assert np.isfinite(agent.act(obs, float(reward))).all()
        env.close()


def test_events_tell_all_stages_and_end_with_a_run_that_is_complete(tmp_path: Path) -> None:
    heard: list[Event] = []
    given = {"controller": {"search": {"generations": 1}}, "vision.epochs": np.int64(1), "evaluate.tracks": 1}
    run = reverie.train("debug", run=tmp_path / "x", on_event=heard.append, quiet=True, **given)
    stages = [(event.stage, event.values["status"]) for event in heard if event.kind == "stage"]
    names = ("collect", "vision", "encode", "memory", "controller", "evaluate", "pictures")
    assert stages == [(name, status) for name in names for status in ("running", "done")]
    assert run.config.controller.search.generations == 1
    assert run.score is not None
    assert heard[-3].values["mean"] == run.score.mean
    ends = {event.stage: (event.done, event.total, event.unit) for event in heard if event.kind == "progress"}
    assert ends["collect"] == (10, 10, "episodes")
    assert ends["controller"] == (1, 1, "generations")
    logged = [event for event in heard if event.kind == "metrics" and event.stage == "controller"]
    assert logged
    assert all(event.run == run.path and event.values for event in logged)
    assert [str(event) for event in heard if event.kind == "stage"][:2] == ["collect running", "collect done"]
    assert list(reverie.train_events(run=run.path)) == []  # there is nothing left to do


def test_a_loop_that_is_left_ends_the_training_which_goes_on_later(tmp_path: Path) -> None:
    for event in reverie.train_events("debug", run=tmp_path / "x", **ONE_GENERATION):
        if (event.kind, event.stage) == ("stage", "encode"):
            break
    folder = RunFolder.open(tmp_path / "x")
    assert folder.is_done("vision")
    assert not folder.is_done("memory")
    with folder.locked():
        pass  # nobody holds it any more
    stages = [event.stage for event in reverie.train_events(run=tmp_path / "x") if event.kind == "stage"]
    assert "vision" not in stages
    assert stages[-1] == "pictures"


def test_what_a_callback_raises_comes_out(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        raise ValueError(event.stage)

    with pytest.raises(ValueError, match="collect"):
        reverie.train("debug", run=tmp_path / "x", on_event=stop, quiet=True)


def test_mistakes_are_said_before_the_loop_begins_and_those_after_it_come_out_of_it(tmp_path: Path) -> None:
    misspelt: dict[str, Any] = {"vision.epoch": 1}
    with pytest.raises(UserError, match="did you mean epochs"):
        reverie.train_events("debug", run=tmp_path / "x", **misspelt)
    assert not (tmp_path / "x").exists()
    with RunFolder.create(tmp_path / "y", settings.load("debug")).locked():
        events = reverie.train_events(run=tmp_path / "y")
        with pytest.raises(UserError, match="in use by another process"):
            next(events)
