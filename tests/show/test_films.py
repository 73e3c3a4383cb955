"""Driving frame by frame: the same drive as everywhere else, and pictures that show it."""

import os
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from reverie.agent import Agent
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env, make_watched, spec_of
from reverie.errors import UserError
from reverie.models.files import load_controller, load_memory, load_vision
from reverie.policies import AgentPolicy
from reverie.rollout import rollout
from reverie.run.folder import RunFolder
from reverie.show import episode_film
from reverie.show.canvas import INK, Canvas, font
from reverie.show.dashboard import Dashboard, Minds
from reverie.show.episode_film import Filmed, Shot


def load(run: RunFolder) -> AgentPolicy:
    controller, params = load_controller(run.controller)
    agent = Agent(load_vision(run.vision), load_memory(run.memory), controller, run.config.agent)
    return AgentPolicy(agent, params[None])


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 50
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_moments_are_the_rollout_frame_by_frame(tiny_run: RunFolder):
    driver = load(tiny_run)
    config = replace(tiny_run.config.env, renderer="gymnasium", max_frames=22)  # the last decision is cut short
    seen, acts = [], []

    def observe(rows, obs, act, step):  # noqa: ARG001
        seen.append(obs[0])
        acts.append(act[0])

    (outcome,) = rollout(make_vector_env(config, 1), driver, [7], observer=observe)
    env = make_watched(config, "rgb_array")
    found = list(episode_film.shots(env, driver, 7, config.action_repeat))
    env.close()
    assert len(found) == outcome.frames == 22
    last = found[-1].filmed
    assert (last.ret, last.frames, last.decisions) == (pytest.approx(outcome.ret, abs=1e-9), 22, outcome.decisions)
    for i, moment in enumerate(found):
        assert np.array_equal(moment.minds.frame, seen[i // 4])
        assert np.array_equal(moment.act, acts[i // 4])
    assert any(not np.array_equal(found[0].picture, moment.picture) for moment in found)


def test_tiles_are_the_latent_and_the_expectation_of_the_next(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    """M's tile decodes the mean of the mixture that M gives for the state after the action."""
    driver = load(tiny_run)
    agent = driver.agent
    decode, decoded = agent.vision.decode, []
    monkeypatch.setattr(agent.vision, "decode", lambda z: decoded.append(z) or decode(z))
    env = make_watched(tiny_run.config.env, "rgb_array")
    found = list(episode_film.shots(env, driver, 1, 4))
    env.close()
    state = agent.initial_state(1)
    assert len(decoded) == 6
    with torch.inference_mode():
        for moment, (seen, foreseen) in zip(found[::4], decoded, strict=True):
            z = agent.encode(torch.from_numpy(moment.minds.frame[None]))
            state = agent.memory.step(z, torch.from_numpy(moment.act[None]), state)
            expected = agent.memory.predict(state.top, z).z.mean()
            torch.testing.assert_close(seen[None], z)
            torch.testing.assert_close(foreseen[None], expected)
            tiles = decode(torch.stack([seen, foreseen])).numpy()
            assert np.array_equal(moment.minds.seen, tiles[0])
            assert np.array_equal(moment.minds.foreseen, tiles[1])


def test_agent_is_told_the_reward_of_the_whole_decision(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    driver = load(tiny_run)
    act, told = driver.agent.act, []

    def listen(obs, prev_rew, params, state):
        told.append(float(prev_rew[0]))
        return act(obs, prev_rew, params, state)

    monkeypatch.setattr(driver.agent, "act", listen)
    env = make_watched(tiny_run.config.env, "rgb_array")
    found = list(episode_film.shots(env, driver, 1, 4))
    env.close()
    returns = [0.0, *(moment.filmed.ret for moment in found[3::4])]
    assert told == pytest.approx([0.0, *np.diff(returns[:-1])])
    assert len(set(np.round(told, 6))) > 2


def test_dashboard_puts_everything_in_its_place():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (400, 600, 3), dtype=np.uint8)
    minds = Minds(*rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    dashboard = Dashboard("test", 1000, spec_of(EnvConfig()))
    drawn = dashboard.draw(picture, minds, np.array([0.5, 1.0, 0.0], np.float32), 123.0, 10)
    assert drawn.shape == (668, 822, 3)
    assert np.array_equal(drawn[10:410, 10:610], picture)
    for i, tile in enumerate(minds):
        top = 10 + 24 + i * 216
        assert np.array_equal(drawn[top : top + 192, 620:812], tile.repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("size", [(400, 600), (240, 320), (210, 160), (64, 64)])
def test_words_do_not_run_into_each_other_however_small_the_world_is_drawn(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    boxes: list[tuple[str, tuple[float, float, float, float]]] = []
    plain = Canvas.text

    def noted(self: Canvas, text: str, x: float, y: float, size: int = 14, color=INK, anchor: str = "la") -> None:
        boxes.append((text, self.draw.textbbox((x, y), text, font=font(size), anchor=anchor)))
        plain(self, text, x, y, size, color, anchor)

    monkeypatch.setattr(Canvas, "text", noted)
    minds = Minds(*np.zeros((3, 64, 64, 3), np.uint8))
    shot = Shot(
        np.zeros((*size, 3), np.uint8),
        minds,
        np.zeros(3, np.float32),
        Filmed(track=7, ret=2100.0, frames=2100, decisions=525, terminated=False),
    )
    drawn = Dashboard("runs/doom, track 7", 2100, spec_of(EnvConfig())).draw(
        episode_film._picture(shot), minds, shot.act, shot.filmed.ret, shot.filmed.frames
    )
    assert boxes
    for text, (left, top, right, bottom) in boxes:
        assert left >= 0, text
        assert right <= drawn.shape[1], text
        for other, (a, b, c, d) in boxes:
            apart = other == text or right <= a or c <= left or bottom <= b or d <= top
            assert apart, f"{text!r} and {other!r} lie on each other"


def test_bars_follow_the_action():
    picture, minds = np.zeros((400, 600, 3), np.uint8), Minds(*np.zeros((3, 64, 64, 3), np.uint8))

    def bar(act: list[float], color: tuple[int, int, int], row: int) -> np.ndarray:
        drawn = Dashboard("", 10, spec_of(EnvConfig())).draw(picture, minds, np.array(act, np.float32), 0.0, 1)
        return np.flatnonzero((drawn[442 + 40 * row - 8] == color).all(-1))

    from reverie.show.canvas import ACCENT, BAD, GOOD

    left, right = bar([-1, 0, 0], ACCENT, 0), bar([1, 0, 0], ACCENT, 0)
    assert left.max() < right.min()
    assert len(bar([0, 1, 0], GOOD, 1)) == pytest.approx(2 * len(bar([0, 0.5, 0], GOOD, 1)), abs=2)
    assert len(bar([0, 1, 0], BAD, 2)) == 0 < len(bar([0, 0, 0.2], BAD, 2))


def test_video_has_every_frame(tiny_run: RunFolder, tmp_path: Path):
    path = tmp_path / "new" / "drive.mp4"
    drive = episode_film.record(path, load(tiny_run), tiny_run.config.env, 2, title="test", quiet=True)
    frames = decode(path)
    assert len(frames) == drive.frames == 24
    assert frames[0].shape == (668, 822, 3)
    difference = np.abs(frames[0][10:410, 10:610].astype(int) - frames[-1][10:410, 10:610]).mean()
    assert difference > 5  # the camera zooms in
    assert [file.name for file in path.parent.iterdir()] == ["drive.mp4"]


def test_without_h264_it_is_mpeg4(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    episode_film.record(tmp_path / "drive.mp4", load(tiny_run), tiny_run.config.env, 2, title="test", quiet=True)
    with av.open(str(tmp_path / "drive.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(decode(tmp_path / "drive.mp4")) == 24


def test_a_drive_that_breaks_leaves_the_old_video(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "drive" / "drive.mp4"
    path.parent.mkdir()
    path.write_bytes(b"old")
    draw = Dashboard.draw

    def breaks(self, picture, minds, act, ret, frame):
        if frame == 5:
            raise KeyboardInterrupt
        return draw(self, picture, minds, act, ret, frame)

    monkeypatch.setattr(Dashboard, "draw", breaks)
    with pytest.raises(KeyboardInterrupt):
        episode_film.record(path, load(tiny_run), tiny_run.config.env, 2, title="test", quiet=True)
    assert path.read_bytes() == b"old"
    assert len(list(path.parent.iterdir())) == 1


def test_window(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    driver = load(tiny_run)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    drive = episode_film.show_window(driver, tiny_run.config.env, 2, quiet=True)
    assert drive.frames == 24
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    if os.name == "posix" and os.uname().sysname == "Linux":
        with pytest.raises(UserError, match="no screen"):
            episode_film.show_window(driver, tiny_run.config.env, 2, quiet=True)
    monkeypatch.setenv("SDL_VIDEODRIVER", "no_such_driver")
    with pytest.raises(UserError, match="no screen"):
        episode_film.show_window(driver, tiny_run.config.env, 2, quiet=True)
