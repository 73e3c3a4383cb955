"""`reverie bench`: what it prints; how fast things are is not for tests."""

import json
from statistics import median

import pytest

from reverie.cli.main import main


def test_env(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "env", "--seconds", "0.05", "--rounds", "3", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["ratios_gymnasium_64"]) == 3
    assert found["ratio_gymnasium_64"] == median(found["ratios_gymnasium_64"]) > 0
    for name in ("gymnasium_64", "reverie_64"):
        assert 0 < found[name]["min"] <= found[name]["median"] <= found[name]["max"]


@pytest.mark.parametrize("options", [["--seconds", "0"], ["--rounds", "0"]])
def test_mistakes(options: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "env", *options]) == 2
    assert "more than 0" in capsys.readouterr().err
