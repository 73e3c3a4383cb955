"""Whose fault is whose, and what each line says to do about it."""

from typing import Any

import pytest

from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.training.gates import ENOUGH_STEPS, require_sound

COLLAPSED = {"steps": ENOUGH_STEPS, "held_out_collapse": "all are alike"}
BLIND = {"steps": ENOUGH_STEPS, "foresight": 0.9, "member_1_foresight": 0.0}
STILL = {"stood_still": "its mean return was as before"}


def said(run: RunFolder, stage: str, **facts: dict[str, Any]) -> str:
    """What is said of a stage, where the manifest has these facts."""
    for name, values in facts.items():
        run.manifest["stages"][name] = {"status": "done", "seconds": 0.0, **values}
    try:
        require_sound(run, stage)
    except UserError as error:
        return str(error)
    return ""


def test_what_says_nothing_of_itself_is_let_through(tiny_run: RunFolder) -> None:
    """As runs of earlier versions do, those of which V stayed as it was, and those where nothing moves."""
    assert said(tiny_run, "memory", vision={}, memory={"steps": ENOUGH_STEPS}) == ""
    assert said(tiny_run, "memory", memory={"steps": ENOUGH_STEPS, "foresight": None}) == ""
    assert said(tiny_run, "controller", controller={}) == ""
    assert said(tiny_run, "vision", vision=COLLAPSED | {"steps": 0, "kept": True}) == ""


def test_each_member_of_an_ensemble_is_judged(tiny_run: RunFolder) -> None:
    assert "M foresees nothing: " in said(tiny_run, "memory", vision={}, memory=BLIND)


def test_an_m_is_not_blamed_for_its_v(tiny_run: RunFolder) -> None:
    """Also where that had too little work to be judged itself."""
    assert said(tiny_run, "memory", vision=COLLAPSED | {"steps": 1}, memory=BLIND) == ""


@pytest.mark.parametrize(
    ("stage", "facts", "longer"),
    [
        ("vision", COLLAPSED, "vision --run {run} --continue EPOCHS"),
        ("memory", BLIND, "memory --run {run} --continue STEPS"),
        ("controller", STILL, "controller --run {run} --set controller.search.generations=MORE"),
    ],
)
def test_it_may_be_trained_for_longer(stage: str, facts: dict[str, Any], longer: str, tiny_run: RunFolder) -> None:
    line = said(tiny_run, stage, **({"vision": {}} | {stage: facts}))
    assert f"(`reverie {longer.format(run=tiny_run.path)}`)" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("num", "learner", "key"),
    [
        (1, "imagine", "controller.imagine.steps"),
        (2, "imagine", "rounds.imagine_steps"),
        (2, "search", "rounds.generations"),
    ],
)
def test_the_setting_is_the_one_that_counts(num: int, learner: str, key: str, tiny_run: RunFolder) -> None:
    overrides = [f"rounds.num={num}", f"controller.learner={learner}", "controller.world=dream"]
    tiny_run.config = settings.load("debug", overrides)
    assert f"--set {key}=MORE`" in said(tiny_run, "controller", controller=STILL)
