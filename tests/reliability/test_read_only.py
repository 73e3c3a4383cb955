"""What may only be read can be read: runs of other users, on other disks, on a disk that has become read-only."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from reverie.lockstep import Lockstep
from reverie.run.folder import RunFolder
from reverie.run.fork import fork
from reverie.training.pipeline import run_stages
from tests.cli.conftest import reverie
from tests.reliability.damage import content
from tests.reliability.read_only import read_only


def test_the_disk_refuses(tmp_path: Path) -> None:
    """What the tests here stand on."""
    (folder := tmp_path / "run").mkdir()
    (folder / "here").touch()
    with read_only(folder):
        for change in (
            (folder / "new").mkdir,
            (folder / "new").touch,
            (folder / "here").unlink,
            lambda: (tmp_path / "other").hardlink_to(folder / "here"),
            lambda: (folder / "here").open("a"),
        ):
            with pytest.raises(OSError, match=r"Read-only|cross-device"):
                change()
        assert (folder / "here").read_bytes() == b""
    (folder / "here").unlink()


@pytest.mark.parametrize("overrides", [[], ["vision.model=vae_gan"]])
def test_a_fork_only_reads(overrides: Sequence[str], tiny_run: RunFolder, tmp_path: Path) -> None:
    (tiny_run.path / ".lock").unlink(missing_ok=True)
    before = content(tiny_run.path)
    with read_only(tiny_run.path):
        made, kept = fork(RunFolder.open(tiny_run.path), tmp_path / "new", overrides)
    assert content(tiny_run.path) == before
    made = RunFolder.open(made.path)
    for name in kept:
        made.verify(name)
    if overrides:
        run_stages(made, ("vision",), quiet=True)


@pytest.mark.parametrize("verb", ["memory", "vision"])
def test_a_fork_of_what_is_made_anew_meanwhile_is_none(
    verb: str, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to wait for the other: M may be trained while its data are forked; of another V it would be half."""
    from reverie.run import fork as module

    taken, new = module._take_metrics, tmp_path / "new"

    def meanwhile(source: Path, target: Path, kept: Sequence[str]) -> None:
        other = RunFolder.open(tiny_run.path)
        with other.locked():
            other.forget(verb)
        taken(source, target, kept)

    monkeypatch.setattr(module, "_take_metrics", meanwhile)
    done = reverie("fork", tiny_run.path, new, "--set", "memory.steps=9")
    if verb == "memory":
        assert done.returncode == 0
        return
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"{tiny_run.path} was changed by another process meanwhile: give the same `reverie fork`" in done.stderr
    assert reverie("train", "--run", new, "--quiet").returncode == 1
    monkeypatch.undo()
    done = reverie("fork", tiny_run.path, new, "--set", "memory.steps=9", "--json")
    assert '"collect"\n' in done.stdout


READERS = (
    (("info", "RUN"), None),
    (("info", "RUN", "--verify"), None),
    (("watch", "RUN"), "run_track_0.mp4"),
    (("dream", "RUN", "--seconds", "0.2"), "run_dream_0.mp4"),
    (("report", "RUN"), "run_report.html"),
    (("pack", "RUN"), "agent.zip"),
    (("export", "web", "RUN"), "dream.html"),
    (("evaluate", "RUN", "--tracks", "1", "--workers", "0", "--renderer", "fast"), None),
)


@pytest.mark.parametrize(("words", "made"), READERS, ids=lambda words: words and "_".join(words[:2]))
def test_who_only_reads_needs_no_more(words: Sequence[str], made: str | None, tiny_run: RunFolder) -> None:
    """What a verb makes of such a run lies where it is run, as of one that ships."""
    work = tiny_run.path.parent / "work"
    work.mkdir()
    with read_only(tiny_run.path):
        done = reverie(*(str(tiny_run.path) if word == "RUN" else word for word in words), cwd=work)
    assert done.returncode == 0, done.stderr
    assert ("is not kept: cannot lock" in done.stderr) == (words[0] == "evaluate")
    assert [path.name for path in work.iterdir()] == ([made] if made else [])


WRITERS = (
    ("train", "--run", "RUN"),
    ("memory", "--run", "RUN", "--again"),
    ("watch", "RUN", "--output", "RUN/x.mp4"),
    ("dream", "RUN", "--output", "RUN/x.mp4"),
    ("dream", "RUN", "--truth", "--output", "RUN/truth"),
    ("inspect", "RUN", "--output", "RUN/pictures"),
    ("compare", "RUN", "pretrained", "--output", "RUN/compared"),
    ("report", "RUN", "pretrained", "--output", "RUN/x.html"),
    ("pack", "RUN", "--out", "RUN/x.zip"),
    ("fork", "RUN", "RUN-new/inside"),
)


@pytest.mark.parametrize("words", WRITERS, ids=lambda words: "_".join(words[:2]))
def test_who_writes_is_refused_in_a_line_before_the_work(
    words: Sequence[str], tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_: object) -> None:
        raise AssertionError("it drove")

    monkeypatch.setattr(Lockstep, "__iter__", work)
    other = Path(f"{tiny_run.path}-new")
    other.mkdir()
    before = content(tiny_run.path)
    with read_only(tiny_run.path), read_only(other):
        done = reverie(*(word.replace("RUN", str(tiny_run.path)) for word in words), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"reverie {words[0]}: cannot ")
    assert "choose another" in done.stderr
    assert content(tiny_run.path) == before
