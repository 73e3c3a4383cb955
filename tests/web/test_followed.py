"""The page that is served, and the newest C that it is told of."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uvicorn")  # of the extra `web`

from tests.web.fetch import get
from tests.web.training import search_goes_on

from reverie.models.files import load_controller
from reverie.models.vision import Vision
from reverie.run.folder import RunFolder
from reverie.web import followed as followed_module
from reverie.web.bundle import MAGIC
from reverie.web.edits import Edit
from reverie.web.followed import Followed, runs_in_a_page
from reverie.web.newest import Newest
from reverie.web.page import SCRIPTS, session_page
from reverie.web.server import HEADERS, serving
from reverie.web.worker import Worker


@pytest.fixture
def address(tiny_run: RunFolder) -> Iterator[str]:
    """Of the tiny run's page."""
    worker = Worker()
    with serving(Followed(tiny_run, Newest(tiny_run.path), worker).routes) as server:
        yield server.address
    worker.end()


def test_the_page_is_the_exported_one_and_its_policy_knows_its_scripts(address: str):
    answer, body = get(address)
    page, policy = body.decode(), answer.headers["content-security-policy"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    run = [(words, text) for words, text in scripts if "type=" not in words]
    assert [re.findall(r'id="(.*?)"', words)[0] for words, _ in run] == [*SCRIPTS, "served/follow.js"]
    for _, text in run:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert policy.count("'sha256-") == len(run)
    assert "'unsafe-eval'" not in policy


def test_news_tells_of_a_newer_c_and_the_bundle_has_it(address: str, tiny_run: RunFolder):
    before = json.loads(get(address + "news")[1])
    same_numbers(get(address + "bundle")[1], load_controller(tiny_run.controller)[1])
    assert json.loads(get(address + "news")[1]) == before
    current = search_goes_on(tiny_run, 1.0)
    after = json.loads(get(address + "news")[1])
    assert (after["version"] != before["version"], after["models"], after["trouble"]) == (True, before["models"], "")
    same_numbers(get(address + "bundle")[1], load_controller(current)[1])
    page = get(address)[1].decode()
    told = re.search(r'id="served">(.*?)</script>', page)
    assert told
    assert json.loads(told[1]) == after, "who opens it now has nothing to be told"


def test_edits_come_after_the_page_and_once_for_a_v(address: str, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def edits_of(vision: Vision) -> list[Edit]:
        asked.append(vision)
        return [Edit(name="left bend", vector=(1.0, 2.0))]

    monkeypatch.setattr(followed_module, "edits_of", edits_of)
    for path in ("", "bundle"):
        get(address + path)
    assert not asked
    for _ in range(2):
        assert json.loads(get(address + "edits")[1]) == [{"name": "left bend", "vector": [1.0, 2.0]}]
    assert len(asked) == 1


def test_a_run_that_cannot_be_read_now_is_said(address: str, tiny_run: RunFolder):
    before = json.loads(get(address + "news")[1])
    current = search_goes_on(tiny_run, 1.0)
    current.write_bytes(current.read_bytes()[:100])
    after = json.loads(get(address + "news")[1])
    assert after["version"] == before["version"]
    assert "current.safetensors is damaged" in after["trouble"]
    tiny_run.forget("vision")
    answer, body = get(address)
    assert (answer.status, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert b"has not finished its stage vision" in body


def same_numbers(content: bytes, params: np.ndarray) -> None:
    """C of a bundle has these parameters, in whatever order, and zeros where it is filled up."""
    length, begin = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 4], "little"), len(MAGIC) + 4
    found = []
    for name, array in json.loads(content[begin : begin + length])["arrays"].items():
        if name.startswith("controller"):
            assert array["dtype"] == "f4"
            found.append(np.frombuffer(content, "<f4", int(np.prod(array["shape"])), begin + length + array["at"]))
    numbers = np.concatenate(found)
    np.testing.assert_allclose(np.sort(numbers[numbers != 0]), np.sort(params), rtol=1e-6)


def test_which_runs_a_page_can_run(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    built = tmp_path / "road.wasm"
    built.touch()
    monkeypatch.setattr(followed_module, "ROAD", built)
    config = tiny_run.config
    assert runs_in_a_page(tiny_run)
    for kwargs in ({"continuous": False}, {"domain_randomize": True}):
        tiny_run.config = replace(config, env=replace(config.env, kwargs=kwargs))
        assert not runs_in_a_page(tiny_run), kwargs
    tiny_run.config = config
    built.unlink()
    assert not runs_in_a_page(tiny_run)


def test_a_name_ends_no_tag():
    served = session_page("</script><b>").split('id="served">')[1]
    assert json.loads(served.split("</script>")[0]) == {"run": "</script><b>"}
