"""The page: one file that needs nothing else, or a folder; the same for the same run."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import reverie

from reverie.errors import UserError
from reverie.models.files import SHIPPED, packaged
from reverie.run.folder import RunFolder
from reverie.web import page as page_module
from reverie.web.page import SCRIPTS, STATIC, write_folder, write_page


def test_a_file_holds_all_that_it_needs(tmp_path: Path) -> None:
    done = reverie("export", "web", "pretrained", "--out", "dream.html", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    html = (tmp_path / "dream.html").read_text()
    assert said["page"] == "dream.html"
    assert said["bytes"] == len(html.encode()) < 6_000_000
    assert "<!-- data -->" not in html
    # (a script's words may speak of others) nothing is loaded: no address but of XML's names and of data in it
    assert not re.findall(
        r"""(?:src|href)=["'](?!#|data:)""", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    )
    assert not re.findall(r"<script[^>]*\ssrc=|@import|url\(", html)
    assert re.findall(r"https?://[^\s\"'`]+", html) == ["http://www.w3.org/2000/svg"] * html.count("http:")


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = RunFolder.open(packaged())
    for name in ("a.html", "b.html"):
        write_page(tmp_path / name, [run])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_folder_brings_each_run_when_it_is_chosen(tmp_path: Path) -> None:
    other = tmp_path / "another run"
    shutil.copytree(packaged(), other)
    write_folder(tmp_path / "site", [*(RunFolder.open(name) for name in SHIPPED), RunFolder.open(other)])
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == [
        "index.html",
        "run-another_run.js",
        "run-dreamt.js",
        "run-pretrained.js",
    ]
    script = (tmp_path / "site" / "run-another_run.js").read_text()
    assert script.startswith('Reverie.deliver("another run", "')
    listed = re.search(r'id="runs">(.*?)</script>', (tmp_path / "site" / "index.html").read_text())
    assert listed
    assert json.loads(listed[1])[2] == {"name": "another run", "file": "run-another_run.js"}


def test_without_the_road_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "ROAD", tmp_path / "none.wasm")
    done = reverie("export", "web", "pretrained", "--out", tmp_path / "alone.html")
    assert "make web" in done.stdout
    assert 'id="road-wasm"' not in (tmp_path / "alone.html").read_text()


def test_every_script_is_in_the_page() -> None:
    assert set(SCRIPTS) == {path.name for path in STATIC.glob("*.js")}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "web"], "which runs?"),
        (["export", "web", "pretrained", "pretrained"], "two runs are called pretrained"),
        (["export", "web", "nowhere"], "there is no run in nowhere"),
    ],
)
def test_refusals(words: list[str], said: str, tmp_path: Path) -> None:
    done = reverie(*words, cwd=tmp_path)
    assert done.returncode
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_without_wheel_and_pedals_is_refused(tiny_run: RunFolder, tmp_path: Path) -> None:
    env = replace(tiny_run.config.env, kwargs={"continuous": False})
    tiny_run.config = replace(tiny_run.config, env=env)
    with pytest.raises(UserError, match=r"all that the page has is a wheel and two pedals"):
        write_page(tmp_path / "dream.html", [tiny_run])
    assert not (tmp_path / "dream.html").exists()
