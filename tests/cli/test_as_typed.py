"""What people type, and where they read it: paths, numbers, and consoles that lack letters."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reverie.cli.main import VERBS, main
from reverie.run.evaluations import keep, kept_since
from reverie.run.folder import RunFolder
from reverie.run.fork import fork
from reverie.show.web_page import WebPage
from tests.evaluations import EVALUATION

EVERY_HELP = f"""
import contextlib
from reverie.cli.main import main
for verb in {list(VERBS)}:
    with contextlib.suppress(SystemExit):
        main([verb, "--help"])
main(["recipes"])
main(["train", "\\u00fcn\\u00ef"])
"""


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said, line = capsys.readouterr()
    assert said == ""
    assert line.count("\n") == 1, line
    return line


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e999", "", "[1, 2]", "x"])
@pytest.mark.parametrize(
    "option",
    [
        ("dream", "pretrained", "--seconds"),
        ("dream", "pretrained", "--temperature"),
        ("play", "pretrained", "--temperature"),
        ("bench", "env", "--seconds"),
        ("dream", "pretrained", "--truth", "--drives"),
        ("dream", "pretrained", "--track"),
        ("watch", "pretrained", "--track"),
        ("watch", "dreamt", "--track"),
        ("inspect", "pretrained", "--tracks"),
        ("inspect", "pretrained", "--seed"),
        ("compare", "pretrained", "pretrained", "--tracks"),
        ("evaluate", "pretrained", "--tracks"),
        ("evaluate", "pretrained", "--first-seed"),
        ("memory", "--continue"),
    ],
)
def test_a_value_that_nobody_should_pass_is_one_line(
    option: tuple[str, ...], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*option, value]) == 2
    line = one_line(capsys)
    assert line.startswith(f"reverie {option[0]}: ")


@pytest.mark.parametrize("number", [10**10, 10**30])
@pytest.mark.parametrize(
    "option", [("watch", "--track"), ("dream", "--seed"), ("inspect", "--tracks"), ("evaluate", "--tracks")]
)
def test_a_number_beyond_all_bounds_is_one_line(
    option: tuple[str, str], number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([option[0], "pretrained", option[1], str(number)]) == 2
    one_line(capsys)


@pytest.mark.parametrize("value", ["nan", "inf", "[1.0]", "{}", '""', str(-(10**30))])
@pytest.mark.parametrize("key", ["vision.fit.learning_rate", "memory.fit.clip", "vision.epochs"])
def test_a_setting_that_is_no_number_is_one_line(
    key: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "debug", "--run", str(tmp_path / "run"), "--set", f"{key}={value}"]) == 2
    assert key in one_line(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["~/run", "~/run/", "~/there/../run", "a name/with spaces", "ünï/çødé", "../up"])
def test_a_run_is_found_where_it_was_meant(
    name: str, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "there").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    place = Path(name).expanduser()
    place.parent.mkdir(parents=True, exist_ok=True)
    tiny_run.path.rename(place)
    assert main(["info", name, "--quiet"]) == 0
    assert main(["vision", "--run", name, "--quiet"]) == 0
    assert not (home / "~").exists()


def test_a_run_whose_name_is_no_text_loses_nothing_by_it(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name of another age's encoding, which Python reads as letters that UTF-8 does not have: it stands in results,
    which come after hours."""
    path = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        tiny_run.path.rename(path)
    except OSError:
        pytest.skip("this system has no such names")
    run = RunFolder.open(path)
    assert keep(run, replace(EVALUATION, run=str(path)), run.agent_digest)
    assert {one["run"] for one in kept_since(RunFolder.open(path)).values()} == {str(path)}
    page = WebPage(f"{run.name}: {path}")
    page.save(tmp_path / "page.html")
    assert "caf\\udce9" in (tmp_path / "page.html").read_text()
    made, _ = fork(run, tmp_path / "new", ["memory.steps=9"])
    assert RunFolder.open(made.path).manifest["forked_from"] == str(path)
    capsys.readouterr()
    assert main(["train", "debug", "--run", str(tmp_path / "other"), "--set", f"collect.agent={path}"]) == 2
    assert "holds bytes that are no letters" in one_line(capsys)
    assert not (tmp_path / "other").exists()


def test_a_file_where_a_folder_is_expected_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "file/run"):
        assert main(["train", "debug", "--run", str(tmp_path / name)]) in (1, 2)
        assert str(tmp_path / "file") in one_line(capsys)


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}]
)
def test_a_console_that_lacks_letters_shows_others(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP], env=os.environ | environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout.count(b"usage: reverie") == len(VERBS)


def test_recipes_as_editors_save_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'name = "ünï"\r\ndescription = "x"\r\nseed = -1\r\n'
    for encoding, says in (("utf-8-sig", "seed: input should be"), ("utf-16", "is UTF-16"), ("latin-1", "not UTF-8")):
        (tmp_path / "mine.toml").write_bytes(text.encode(encoding))
        assert main(["train", str(tmp_path / "mine.toml"), "--run", str(tmp_path / "run")]) == 2
        assert says in one_line(capsys)
