"""`reverie bench`: what it prints; how fast things are is not for tests."""

import json

import pytest
import torch

from reverie.benchmarks import card, heats
from reverie.cli.main import main


@pytest.fixture(autouse=True)
def _rates(monkeypatch: pytest.MonkeyPatch):
    """Heats with made-up rates, without EnvPool."""
    rates = {"gymnasium_64_x1": (2.0, 4.0, 5.0), "frames_64_x1": (100.0, 100.0, 100.0)}
    rates |= {
        "batch1_x1": (5.0, 5.0, 4.0),
        "rollout_bf16_x1": (10.0, 20.0, 100.0),
        "rollout_bf16_x2": (19.0, 38.0, 190.0),
        "vision_x1": (100.0, 200.0, 100.0),
        "vision_fp32_x1": (150.0, 300.0, 160.0),
        "vision_bf16_x1": (300.0, 580.0, 310.0),
    }

    def run_heat(heat: heats.Heat, *, unit: str, **_: object) -> dict[str, tuple[float, ...]]:
        assert unit == ("images" if ("vision", 1) in heat.peers else "frames")
        names = {f"{name}_x{num}" for name, num in (*heat.peers, *heat.ours)}
        return {name: rates[name] for name in names & set(rates)}

    monkeypatch.setattr(heats, "run_heat", run_heat)


def run(what: str, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["bench", what, "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def test_ratios_are_medians_of_the_rounds(capsys: pytest.CaptureFixture[str]):
    found = run("env", capsys)
    assert found["ratio_gymnasium_64_rounds"] == [50.0, 25.0, 20.0]
    assert found["ratio_gymnasium_64"] == 25.0
    assert found["ratio_gymnasium_96"] is found["ratio_envpool_64"] is found["ratio_envpool_96"] is None
    assert found["frames_per_second"]["gymnasium_64_x1"] == {"median": 4.0, "min": 2.0, "max": 5.0}
    assert run("rollout", capsys)["ratio_batch1"] == 4.0
    assert run("scaling", capsys)["ratio_two_workers"] == 1.9


def test_training_is_counted_in_images(capsys: pytest.CaptureFixture[str]):
    found = run("vision", capsys)
    assert found["ratio_plain_rounds"] == [3.0, 2.9, 3.1]
    assert found["ratio_plain_fp32"] == 1.5
    assert found["ratio_bf16_rounds"] == [2.0, 1.93, 1.94]
    assert found["images_per_second"]["vision_x1"]["median"] == 100.0
    assert "frames_per_second" not in found
    assert main(["bench", "vision", "--quiet"]) == 0
    assert "310 images/s  (300 to 580)" in capsys.readouterr().out


def test_a_missing_peer_is_said_in_words(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "env", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "25.00 times Gymnasium at 64x64, one core (20.00 to 50.00)" in out
    assert "EnvPool at 64x64, two cores: not installed (`make bench` or" in out


@pytest.mark.parametrize(
    ("option", "cure"), [("--seconds", "--seconds 0.0: give more than 0"), ("--rounds", "--rounds 0: give 1 or more")]
)
def test_mistakes(option: str, cure: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "env", option, "0"]) == 2
    assert cure in capsys.readouterr().err


def test_what_is_about_cores_has_no_other_device(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "env", "--device", "cuda"]) == 2
    assert "bench env is about cores: leave out --device" in capsys.readouterr().err


def test_what_a_device_can_do_at_best():
    found = card.limits(torch.device("cpu"), side=64, copied=2**16)
    assert found["device"] == "cpu"
    assert min(found["bytes_per_second"], found["flops_fp32"], found["flops_bf16"]) > 0
