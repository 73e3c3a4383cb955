"""What goes wrong gets one line, an exit code that is not 0, and loses nothing."""

import json
import shutil
from pathlib import Path

import pytest

from reverie.cli.main import VERBS
from tests.cli.conftest import reverie, reverie_in_a_process

pytestmark = pytest.mark.xdist_group("cli")


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


@pytest.mark.parametrize("verb", [*VERBS, "export onnx"])
def test_every_verb_has_help_with_defaults(verb: str) -> None:
    done = reverie(*verb.split(), "--help")
    assert "{None}" not in done.stdout, "Python's word for what is left out says nothing to a user"
    assert done.returncode == 0, done.stderr
    assert f"usage: reverie {verb}" in done.stdout
    assert "default" in done.stdout.lower()


def test_the_command_alone_lists_every_verb() -> None:
    done = reverie()
    assert done.returncode == 2
    assert all(f"  {verb} " in done.stdout for verb in VERBS)
    assert reverie("--help").returncode == 0
    assert reverie("--version").stdout.startswith("reverie ")


def test_the_package_is_the_command() -> None:
    """Exit code and line of `python -m reverie`; the other tests call what it calls."""
    done = reverie_in_a_process("fly")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "there is no verb 'fly'" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fly",), 2, "there is no verb 'fly'"),
        (("train", "quik"), 2, "there is no recipe 'quik' (did you mean quick?)"),
        (("train", "debug", "--set", "vision.epoch=3"), 2, "unknown key vision.epoch (did you mean epochs?)"),
        (("train", "debug", "--set", "vision.epochs=x"), 2, "vision.epochs: input should be a valid integer"),
        (
            ("train", "debug", "--set", "vision.net.z_size=0"),
            2,
            "vision.net.z_size: input should be greater",
        ),
        (("train", "debug", "--set", "env.action_repeat=0"), 2, "env.action_repeat: input should be greater than 0"),
        (("train", "debug", "--set", "collect.episodes=1"), 2, "collect.episodes: input should be greater than or"),
        (("train", "debug", "--set", "evaluate.first_seed=700000"), 2, "are not all test tracks"),
        (("train", "debug", "--set", "env.id=CarRacing-v9"), 1, "did you mean 'CarRacing-v3'"),
        (("train", "--sped", "3"), 2, "Unrecognized options: --sped"),
        (("evaluate", "pretrained", "--tracks", "x"), 2, "Error parsing --tracks"),
        (("watch",), 2, "Missing from reverie watch"),
        (("collect", "debug", "--agent", "nowhere"), 1, "collect.agent: there is no run in"),
        (("collect", "debug", "--agent-share", "1.5"), 2, "collect.agent_share: input should be less than or equal"),
        (("evaluate", "nowhere"), 1, "there is no run in nowhere"),
        (("watch", "nowhere"), 1, "there is no run in nowhere"),
        (("info", "nowhere"), 1, "there is no run in nowhere"),
        (("vision", "--run", "nowhere/run.txt", "--set", "a=1"), 2, "unknown key a"),
        (("evaluate", "pretrained", "--first-seed", "600000"), 2, "are not all test tracks"),
        (("evaluate", "pretrained", "--tracks", "0"), 2, "are not all test tracks"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    done = reverie(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in one_line(done.stderr)
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_an_unknown_option_is_said_once_and_forgotten(tmp_path: Path) -> None:
    assert reverie("train", "--sped", "3", cwd=tmp_path).stderr.count("--sped") == 1
    assert "--sped" not in reverie("watch", cwd=tmp_path).stderr


@pytest.mark.parametrize("name", ["vision.safetensors", "memory.safetensors", "controller.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_model_is_named(name: str, damage: str, debug_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(debug_run, path)
    data = bytearray((path / name).read_bytes())
    data[-5] ^= 1
    (path / name).write_bytes(data if damage == "flip" else data[: len(data) // 2])
    if damage == "gone":
        (path / name).unlink()
    done = reverie("evaluate", path, "--tracks", "1", "--quiet")
    assert done.returncode == 1
    assert name in one_line(done.stderr)


def test_doing_a_stage_again_destroys_nothing_that_it_cannot_make(debug_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(debug_run, path)
    (path / "latents/meta.json").unlink()
    done = reverie("memory", "--run", path, "--again")
    assert done.returncode == 1
    assert "meta.json is missing: restore it from a copy, or run `reverie encode" in one_line(done.stderr)
    for name in ("memory.safetensors", "controller.safetensors", "evolution/state.safetensors"):
        assert (path / name).exists()


def test_what_can_be_made_again_is_made_again(debug_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(debug_run, path)
    before = (path / "evaluation.json").read_text()
    (path / "evaluation.json").write_text("{")
    (path / "pictures/dream.png").unlink()
    done = reverie("train", "--run", path, "--quiet")
    assert done.returncode == 0, done.stderr
    returns = [json.loads(text)["returns"] for text in (before, (path / "evaluation.json").read_text())]
    assert returns[0] == returns[1]
    assert (path / "pictures/dream.png").exists()
    (path / "vision.safetensors").unlink()
    done = reverie("train", "--run", path, "--quiet")
    assert done.returncode == 1
    assert "vision.safetensors is missing: restore it" in one_line(done.stderr)


def test_random_networks_drive_any_number_of_episodes(tmp_path: Path) -> None:
    done = reverie("collect", "debug", "--run", tmp_path / "run", "--policy", "networks", "--episodes", "10", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["episodes"] == 10


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = reverie("train", "debug", "--run", tmp_path)
    assert done.returncode == 2
    assert "exists and is not a run of reverie" in one_line(done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
