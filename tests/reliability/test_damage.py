"""Every kind of file of a run, damaged in every way, read by the verbs that go by it: one line that names it, exit code
1, no traceback, nothing changed on disk. All of them are in `make soak`; here every fourth meets `info --verify`, and
every eleventh another of its readers."""

import os
import shutil
from pathlib import Path

import pytest

from reverie.data.episode import Episode
from reverie.data.store import EpisodeStore
from reverie.run.folder import RunFolder
from reverie.studies.verify import verify
from tests.cli.conftest import reverie
from tests.reliability.damage import DAMAGES, KINDS, READERS, command, content, damaged

pytestmark = pytest.mark.xdist_group("damage")

ALL = bool(os.environ.get("REVERIE_SOAK"))


def _each() -> list[tuple[str, str]]:
    """Kind, damage."""
    every = [(kind, how) for kind in KINDS for how in DAMAGES]
    return every if ALL else every[:: len(DAMAGES) - 1]


def _pairs() -> list[tuple[str, str, str]]:
    """Kind, damage, verb."""
    every = [(kind, how, verb) for kind in KINDS for verb in READERS[kind] for how in DAMAGES]
    return every if ALL else every[:: 2 * len(DAMAGES) + 1]


def _named(text: str, kind: str, how: str, path: Path) -> bool:
    """Whether a line is about a file. Of a run without a recipe nobody knows that it is one."""
    if kind in ("recipe", "recipe of a round") and how == "missing":
        return str(path.parent) in text
    return path.name in text or (kind == "manifest of a round" and str(path.parent) in text)


@pytest.mark.parametrize(("kind", "how"), _each())
def test_info_names_it(kind: str, how: str, whole: Path, tmp_path: Path) -> None:
    with damaged(whole, KINDS[kind], how) as path:
        before = content(whole)
        done = reverie(*command("info", whole, tmp_path))
        assert content(whole) == before
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "not what was written" not in line]
    assert done.returncode == 1, lines
    assert len(lines) == 1, lines
    assert _named(lines[0], kind, how, path), lines
    assert ":" in lines[0], "what to do about it"


def test_info_is_content_with_a_whole_run(whole: Path) -> None:
    before = content(whole)
    done = reverie("info", whole, "--verify", "--quiet")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.endswith("files are what was written\n")
    assert content(whole) == before


def test_every_file_is_looked_at_that_anything_follows_from(whole: Path) -> None:
    looked_at = {path.relative_to(whole).as_posix() for path in verify(RunFolder.open(whole), quiet=True).looked_at}
    files = content(whole)
    for_people = {name for name in files if name[:-4] + "safetensors" in files or "tensorboard/" in name}
    for_people |= {name for name in files if name.startswith("rounds/") and "/pictures/" in name}  # drawn on the way
    left = {name for name in files.keys() - looked_at - for_people if Path(name).name != "finalists.json"}
    assert not left


def test_an_episode_that_rounds_share_is_opened_once(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[int]()
    read = EpisodeStore.__getitem__

    def reading(store: EpisodeStore, index: int) -> Episode:
        opened.append((store.folder / store.entries[index]["file"]).stat().st_ino)
        return read(store, index)

    monkeypatch.setattr(EpisodeStore, "__getitem__", reading)
    assert not verify(RunFolder.open(whole), quiet=True).faults
    files = {path.stat().st_ino for path in whole.rglob("episode_*.npz")}
    assert sorted(opened) == sorted(files)


@pytest.mark.parametrize(("kind", "how", "verb"), _pairs())
def test_a_verb_that_goes_by_it_names_it(kind: str, how: str, verb: str, whole: Path, tmp_path: Path) -> None:
    run, out = Path(shutil.copytree(whole, tmp_path / "run")), tmp_path / "out"
    with damaged(run, KINDS[kind], how) as path:
        before, words = content(run), command(verb, run, out)
        done = reverie(*words)
        assert content(run) == before
    is_no_run = (kind, how) == ("recipe", "missing")  # then --run names a wrong folder
    assert done.returncode == (2 if is_no_run and "--run" in words else 1), done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert _named(lines[0], kind, how, path), lines
    assert not out.exists()
