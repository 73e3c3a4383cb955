"""`reverie play`, with a window that nobody sees and keys that nobody presses."""

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pygame
import pytest

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.models.files import load_controller, save_controller
from reverie.play import window
from reverie.play.session import Session
from reverie.run.folder import RunFolder

Events = list[tuple[int, int]]
Play = Callable[..., list[dict]]


@pytest.fixture
def play(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Plays the tiny run, with events before each decision, and then ESC; says what each decision saw."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    advance = Session.advance

    def run(rounds: list[Events], *options: str, end: tuple[int, int] | None = None) -> list[dict]:
        left = [*rounds, [end or (pygame.KEYDOWN, pygame.K_ESCAPE)]]
        saw: list[dict] = []

        def post() -> None:
            for kind, key in left.pop(0):
                pygame.event.post(pygame.event.Event(kind, key=key) if key else pygame.event.Event(kind))

        def step(self: Session, act: np.ndarray) -> None:
            advance(self, act)
            saw.append(
                {
                    "given": act,
                    "act": self.act,
                    "mode": self.mode,
                    "track": self.track,
                    "temperature": self.temperature,
                    "autopilot": self.autopilot,
                    "decisions": self.score.decisions,
                    "message": self.message,
                }
            )
            post()

        monkeypatch.setattr(Session, "advance", step)
        draw, first = window.draw, []

        def drawn(session: Session, rate: float) -> np.ndarray:
            if not first:
                first.append(rate)
                post()
            return draw(session, rate)

        monkeypatch.setattr(window, "draw", drawn)
        assert main(["play", str(tiny_run.path), *options]) == 0
        assert not left
        assert not pygame.display.get_init()
        return saw

    return run


def down(*keys: int) -> Events:
    return [(pygame.KEYDOWN, key) for key in keys]


def up(*keys: int) -> Events:
    return [(pygame.KEYUP, key) for key in keys]


def test_keys_steer(play: Play):
    saw = play([down(pygame.K_a, pygame.K_UP), [], up(pygame.K_a), down(pygame.K_RIGHT, pygame.K_s)])
    steer, gas, brake = np.stack([one["act"] for one in saw]).T
    np.testing.assert_allclose(steer, [-0.24, -0.48, 0, 0.24], atol=1e-6)
    np.testing.assert_allclose(gas, [0.24, 0.48, 0.72, 0.96], atol=1e-6)
    np.testing.assert_allclose(brake, [0, 0, 0, 0.32], atol=1e-6)
    begin, turned = down(pygame.K_LEFT, pygame.K_w), up(pygame.K_LEFT, pygame.K_w) + down(pygame.K_d, pygame.K_DOWN)
    assert [np.sign(one["act"]).tolist() for one in play([begin, turned])] == [[-1, 1, 0], [1, 0, 1]]


def test_a_tap_within_a_decision_counts(play: Play):
    saw = play([[*down(pygame.K_LEFT), *up(pygame.K_LEFT)], []])
    assert [round(float(one["act"][0]), 2) for one in saw] == [-0.24, 0]


@pytest.mark.parametrize("key", [pygame.K_m, pygame.K_TAB])
def test_there_and_back(play: Play, key: int):
    saw = play([[], [], down(key), [], down(key)])
    assert [(one["mode"], one["decisions"]) for one in saw] == [
        ("real", 1),
        ("real", 2),
        ("dream", 1),
        ("dream", 2),
        ("real", 3),
    ]


def test_commands(play: Play):
    more = down(pygame.K_PLUS, pygame.K_EQUALS, pygame.K_KP_PLUS)
    less = down(pygame.K_MINUS, pygame.K_KP_MINUS)
    space = down(pygame.K_SPACE)
    saw = play([more, less, down(pygame.K_c), down(pygame.K_r), space, [], space], "--track", "5")
    assert [one["temperature"] for one in saw] == [1.3, *[1.1] * 6]
    assert [one["autopilot"] for one in saw] == [False, False, *[True] * 5]
    assert [one["track"] for one in saw] == [5, 5, 5, 6, 6, 6, 6]
    assert [one["decisions"] for one in saw] == [1, 2, 3, 1, 1, 1, 2]
    assert np.abs(saw[2]["act"]).sum() > 0 == np.abs(saw[1]["act"]).sum()


def test_options(play: Play):
    (saw,) = play([[]], "--dream", "--temperature", "0.5", "--track", "9", "--autopilot")
    assert (saw["mode"], saw["temperature"], saw["track"], saw["autopilot"]) == ("dream", 0.5, 9, True)
    (saw,) = play([[]], "--real")
    assert (saw["mode"], saw["temperature"], saw["track"], saw["autopilot"]) == ("real", 1.0, 0, False)


def test_the_window_can_be_closed(play: Play):
    assert len(play([[], []], end=(pygame.QUIT, 0))) == 2


def test_the_window_shows_the_picture(play: Play, monkeypatch: pytest.MonkeyPatch):
    shown, drawn, flip, draw = [], [], pygame.display.flip, window.draw

    def look() -> None:
        surface = pygame.display.get_surface()
        assert surface is not None
        shown.append(pygame.surfarray.array3d(surface).swapaxes(0, 1))
        flip()

    def keep(session: Session, rate: float) -> np.ndarray:
        drawn.append(draw(session, rate))
        return drawn[-1]

    monkeypatch.setattr(pygame.display, "flip", look)
    monkeypatch.setattr(window, "draw", keep)
    play([down(pygame.K_UP), []])
    assert len(shown) == 2
    for picture, expected in zip(shown, drawn[1:], strict=True):
        assert np.array_equal(picture, expected)
    assert not np.array_equal(*shown)


def test_it_keeps_the_speed_of_the_world(play: Play, monkeypatch: pytest.MonkeyPatch):
    asked = []

    class Clock:
        def tick(self, rate: float) -> None:
            asked.append(rate)

        def get_fps(self) -> float:
            return 12.5

    monkeypatch.setattr(pygame.time, "Clock", Clock)
    play([[], []])
    assert asked == [12.5, 12.5]


def test_a_run_without_a_controller_is_played(play: Play, tiny_run: RunFolder):
    tiny_run.forget("controller")
    saw = play([down(pygame.K_UP)], "--autopilot")
    assert saw[0]["message"] == "this run has no controller yet"
    assert not saw[0]["autopilot"]
    assert saw[0]["act"][1] > 0


def test_a_run_without_a_bank_is_played_for_real(play: Play, tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    for name in ("dream.safetensors", "dream.json"):
        (tiny_run.path / name).unlink(missing_ok=True)
    manifest = tiny_run.manifest["stages"]["memory"]
    manifest["files"].pop("dream.safetensors")
    tiny_run.write_manifest()
    assert [one["mode"] for one in play([[], down(pygame.K_m)])] == ["real", "dream"]
    assert main(["play", str(tiny_run.path), "--dream"]) == 1
    assert "dream.safetensors is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--dream", "--real"], 2, "exclude each other"),
        (["--track", "-1"], 2, "give 0 or more"),
        (["--temperature", "-0.5"], 2, "give 0 or more"),
        (["--seed", "-1"], 2, "give 0 or more"),
    ],
)
def test_mistakes(tiny_run: RunFolder, options: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]):
    assert main(["play", str(tiny_run.path), *options]) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_run_without_m(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    tiny_run.forget("memory")
    assert main(["play", str(tiny_run.path)]) == 1
    assert "has not finished its stage memory" in capsys.readouterr().err


def test_a_controller_of_other_models_is_not_played(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    controller, params = load_controller(tiny_run.controller)
    save_controller(tiny_run.controller, controller, params, vision_sha256=file_sha256(tiny_run.vision))
    tiny_run.stage("controller")["files"]["controller.safetensors"] = file_sha256(tiny_run.controller)
    tiny_run.write_manifest()
    assert main(["play", str(tiny_run.path)]) == 1
    assert "controller.safetensors was not made for" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a screen")
def test_no_screen(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert main(["play", str(tiny_run.path)]) == 1
    says = "there is no screen to open a window on: set up a display, or use `reverie watch` and `reverie dream`"
    assert says in capsys.readouterr().err
    monkeypatch.setenv("SDL_VIDEODRIVER", "no_such_driver")
    assert main(["play", str(tiny_run.path)]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a screen")
def test_as_a_command(tiny_run: RunFolder):
    """In a process of its own, where nothing was imported before: only the refusal, for nobody could press ESC."""
    hidden = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    done = subprocess.run(
        [sys.executable, "-m", "reverie", "play", str(tiny_run.path)],
        env=hidden,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("reverie play: there is no screen")
    assert done.stderr.count("\n") == 1
