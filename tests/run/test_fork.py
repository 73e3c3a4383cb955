"""A run that goes on from what another has finished."""

import json
from pathlib import Path

import pytest

from reverie.cli.main import main
from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.fork import fork
from reverie.training.pipeline import run_stages

AGENT = ["collect", "vision", "encode", "memory", "controller"]


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        (["vision.model=vae_gan"], ["collect"]),
        (["memory.mirror=true"], ["collect", "vision"]),
        (["memory.steps=9", "evaluate.tracks=3"], ["collect", "vision", "encode"]),
        (["controller.model.inputs=z"], ["collect", "vision", "encode", "memory"]),
        (["agent.precision=bf16"], ["collect", "vision", "encode", "memory"]),
        (["evaluate.tracks=3"], AGENT),
        (["name=other", "workers=1"], [*AGENT, "evaluate"]),
    ],
)
def test_stages_before_the_first_changed_setting_are_kept(
    overrides: list[str], kept: list[str], tiny_run: RunFolder, tmp_path: Path
) -> None:
    made, found = fork(tiny_run, tmp_path / "new", overrides)
    assert found == kept
    made = RunFolder.open(made.path)
    for name in kept:
        made.verify(name)
        assert made.stage(name) == tiny_run.stage(name)
    left = {"vision": made.vision, "memory": made.memory, "controller": made.controller, "encode": made.latents}
    assert all(path.exists() == (name in kept) for name, path in left.items())
    assert made.manifest["forked_from"] == str(tiny_run.path)


def test_neither_changes_the_other(tiny_run: RunFolder, tmp_path: Path) -> None:
    """Files may be the same on the disk: what one run does anew is its own."""
    (tiny_run.path / "metrics.jsonl").write_text('{"stage": "collect"}\n{"stage": "vision"}\n{"half')
    made, _ = fork(tiny_run, tmp_path / "new", ["vision.model=vae_gan"])
    assert (made.path / "metrics.jsonl").read_text() == '{"stage": "collect"}\n'
    before = {path: path.read_bytes() for path in tiny_run.path.rglob("*") if path.is_file()}
    episode = made.rollouts / "episode_000000.npz"
    assert episode.stat().st_ino == (tiny_run.rollouts / episode.name).stat().st_ino
    run_stages(RunFolder.open(made.path), ("vision", "encode"), quiet=True)
    assert RunFolder.open(made.path).is_done("encode")
    made = RunFolder.open(made.path)
    with made.locked():
        made.forget("collect")
    assert {path: path.read_bytes() for path in tiny_run.path.rglob("*") if path.is_file()} == before
    assert len(EpisodeStore(tiny_run.rollouts)) == 10


def test_what_a_kill_leaves_is_no_run_and_can_be_made_again(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would collect and learn as if it had never been a fork."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "new"
    for where in ("_take_metrics", "_take", "_take_stages"):
        with monkeypatch.context() as patched:
            patched.setattr(f"reverie.run.fork.{where}", killed)
            with pytest.raises(KeyboardInterrupt):
                fork(tiny_run, path, ["memory.steps=9"])
        made = RunFolder.open(path)
        assert not made.is_done("vision")
        assert made.vision.exists() == (where == "_take_metrics")
        assert main(["train", "--run", str(path), "--quiet"]) == 1
        assert not made.rollouts.exists()
    made, kept = fork(tiny_run, path, ["memory.steps=8"])
    assert (kept, made.recipe.memory.steps) == (AGENT[:3], 8)
    assert RunFolder.open(path).is_done("encode")
    with made.locked():
        made.verify("vision")


def test_no_run_is_made_inside_of_another(tiny_run: RunFolder, capsys: pytest.CaptureFixture) -> None:
    """A stage that is done anew would remove it, and what is copied would hold the copy."""
    for words in (["fork", str(tiny_run.path)], ["train", "debug", "--run"]):
        assert main([*words, str(tiny_run.latents / "new")]) == 2
        assert "lies inside the run" in capsys.readouterr().err
        assert not (tiny_run.latents / "new").exists()


@pytest.mark.parametrize("where", ["rollouts/notes", "latents/mu.npy", "vision.safetensors"])
def test_no_link_leads_a_fork_to_other_files(where: str, tiny_run: RunFolder, tmp_path: Path) -> None:
    """Of a run that somebody else made: a folder would be copied with all below it, a file be handed on."""
    secret = tmp_path / "secret"
    if where == "rollouts/notes":
        secret.mkdir()
        (secret / "key").write_text("a key")
    else:
        secret.write_bytes((tiny_run.path / where).read_bytes())
        (tiny_run.path / where).unlink()
    (tiny_run.path / where).symlink_to(secret)
    with pytest.raises(UserError, match="is a link, which is not followed"):
        fork(tiny_run, tmp_path / "new", ["memory.steps=9"])


@pytest.mark.parametrize("key", ["seed=1", "env.action_repeat=2", "collect.steps=9"])
def test_other_data_keep_nothing(key: str, tiny_run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is about the data itself"):
        fork(tiny_run, tmp_path / "new", [key])
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_forked(tiny_run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ships without the data"):
        fork(RunFolder.open("pretrained"), tmp_path / "new", [])
    with pytest.raises(UserError, match="is made of rounds"):
        fork(RunFolder.create(tmp_path / "rounds", settings.load("debug", ["rounds.num=2"])), tmp_path / "new", [])
    with pytest.raises(UserError, match="is a run already"):
        fork(tiny_run, tiny_run.path, [])
    tiny_run.vision.write_bytes(b"damaged")
    with pytest.raises(UserError, match="is damaged"):
        fork(tiny_run, tmp_path / "new", ["controller.model.inputs=z"])
    assert not (tmp_path / "new").exists()
    tiny_run.forget("collect")
    with pytest.raises(UserError, match="has not finished its first stage"):
        fork(tiny_run, tmp_path / "newer", ["vision.epochs=9"])


def test_the_command(tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new"
    assert main(["fork", str(tiny_run.path), str(new), "--set", "memory.steps=2"]) == 0
    assert capsys.readouterr().out == (
        f"{new}: has collect, vision, encode of {tiny_run.path}\nnext: reverie train --run {new}\n"
    )
    assert main(["fork", str(tiny_run.path), str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == [*AGENT, "evaluate"]
