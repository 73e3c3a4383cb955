"""What has failed is said before the next stage spends time on it, and `--force` goes on all the same."""

from pathlib import Path

import pytest

from reverie.run.folder import RunFolder
from tests.cli.conftest import reverie
from tests.training.small_rounds import SMALL

COLLAPSED = {"vision.epochs": "12", "vision.vae.reconstruction_weight": "1e-9", "vision.vae.kl_tolerance": "0"}
BLIND = {"vision.epochs": "60", "memory.steps": "100", "memory.fit.learning_rate": "1e-9"}
"""V sees, but M stays as it was born."""
ASLEEP = {"controller.search.generations": "12", "controller.search.strategy.cma.sigma": "1e-6"}
"""All candidates are the C at which the search begins, which leaves the car where it stands."""
FAILURES = {
    "vision": (COLLAPSED, "V has collapsed: ", "encode"),
    "memory": (BLIND, "M foresees nothing: ", "controller"),
    "controller": (ASLEEP, "C has learned nothing: ", "evaluate"),
}


def settings_of(stage: str) -> list[str]:
    return [word for key, value in FAILURES[stage][0].items() for word in ("--set", f"{key}={value}")]


@pytest.mark.parametrize("stage", FAILURES)
def test_the_training_stops_at_what_has_failed_and_is_forced_on(stage: str, tmp_path: Path) -> None:
    _, fault, after = FAILURES[stage]
    run = tmp_path / "run"
    done = reverie("train", "debug", "--run", run, "--quiet", *settings_of(stage))
    *_, said = done.stderr.splitlines()
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{run}: {fault}" in said
    assert f"reverie {stage} --run {run} --again" in said
    assert RunFolder.open(run).is_done(stage)
    assert not RunFolder.open(run).is_done(after)
    alone = reverie(after, "--run", run, "--quiet") if after != "evaluate" else reverie("train", "--run", run)
    assert (alone.returncode, fault in alone.stderr) == (1, True)
    forced = reverie("train", "--run", run, "--quiet", "--force")
    assert forced.returncode == 0, forced.stderr
    assert forced.stderr.count(f"going on all the same (--force): {fault}") == 1
    assert RunFolder.open(run).is_done("pictures")
    refused = reverie("train", "--run", run, "--quiet", "--set", "evaluate.tracks=3")
    assert (refused.returncode, fault in refused.stderr) == (1, True)
    assert RunFolder.open(run).is_done("evaluate")  # as it was
    assert RunFolder.open(run).config.evaluate.tracks == 2


@pytest.mark.parametrize("stage", ["vision", "controller"])
def test_a_round_that_has_failed_is_no_ground_for_the_next(stage: str, tmp_path: Path) -> None:
    """Whose agent would drive for it."""
    run, first = tmp_path / "run", tmp_path / "run" / "rounds" / "0"
    small = [word for setting in (*SMALL, "controller.search.start.imitate=false") for word in ("--set", setting)]
    settings = [
        *small,
        *settings_of(stage),
        "--set",
        "rounds.num=2",
        "--set",
        f"vision.epochs={120 if stage == 'vision' else 1}",
    ]
    done = reverie("train", "debug", "--run", run, "--quiet", *settings)
    *_, said = done.stderr.splitlines()
    assert done.returncode == 1
    assert f"{first}: {FAILURES[stage][1]}" in said
    assert f"`reverie collect --run {run} --again --set {stage}.KEY=VALUE`" in said
    assert RunFolder.open(first).is_done(stage)
    assert not RunFolder.open(run).is_done("collect")
    better = "vision.epochs=1" if stage == "vision" else "controller.search.generations=2"
    done = reverie("collect", "--run", run, "--again", "--set", better, "--quiet")
    assert done.returncode == 0, done.stderr
    assert RunFolder.open(run).is_done("collect")


def test_a_search_that_stood_still_may_go_on(tmp_path: Path) -> None:
    """By the settings that are given to the whole training, too: it is judged by what it has come to then."""
    run = tmp_path / "run"
    stopped = reverie("train", "debug", "--run", run, "--quiet", *settings_of("controller"))
    longer = f"reverie controller --run {run} --set controller.search.generations="
    assert f"train it for longer (`{longer}MORE`)" in stopped.stderr
    for words in (longer.split()[1:], ("train", "--run", run, "--set", "controller.search.generations=")):
        num = RunFolder.open(run).config.controller.search.generations + 1
        done = reverie(*words[:-1], f"{words[-1]}{num}", "--quiet")
        assert done.returncode == (words[0] == "train"), done.stderr
        assert f"{num} times over" in RunFolder.open(run).stage("controller")["stood_still"]


@pytest.mark.parametrize("stage", FAILURES)
def test_what_was_hardly_tried_is_not_judged(stage: str, tmp_path: Path) -> None:
    few = {
        "vision": ("vision.epochs=1",),
        "memory": ("memory.steps=99",),
        "controller": ("controller.search.generations=9",),
    }
    words = [word for setting in few[stage] for word in ("--set", setting)]
    done = reverie("train", "debug", "--run", tmp_path / "run", "--quiet", *settings_of(stage), *words)
    assert done.returncode == 0, done.stderr
