"""A scout: an agent that is trained first, within the run, and takes part in collecting."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.run import manifest, settings
from reverie.run.folder import RunFolder
from reverie.training import pipeline
from reverie.training.controller import evolve
from reverie.training.controller.search import Evolution
from reverie.training.pipeline import run_stages
from reverie.training.summary import summarise

SETTINGS = ["collect.scout=debug", "collect.episodes=8", "env.max_frames=60"]


def scouted(path: Path, *overrides: str) -> RunFolder:
    return RunFolder.create(path, settings.load("debug", [*SETTINGS, *overrides]))


def test_it_is_trained_drives_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = scouted(tmp_path / "run", "env.action_repeat=2", "agent.precision=bf16", "seed=3")
    run_stages(run, ("collect",), quiet=False)
    said = capsys.readouterr().err
    assert said.index("first its scout, by the recipe debug") < said.index("collect  10/10 episodes")
    stages = ("collect", "vision", "encode", "memory", "controller")
    assert re.findall(r"reverie: (part .*)", said) == [
        *(f"part {i + 1} of 6: {name} of {run.scout}" for i, name in enumerate(stages)),
        f"part 6 of 6: collect of {run.path}",
    ]
    scout = RunFolder.open(run.scout)
    scout.require_agent()
    assert (scout.config.seed, scout.config.env, scout.config.agent) == (3, run.config.env, run.config.agent)
    assert not scout.is_done("evaluate"), "it is not scored"
    facts = run.stage("collect")
    assert facts["agent_episodes"] == 4
    assert facts["agent_digest"].startswith(scout.stage("vision")["files"]["vision.safetensors"][:16])
    cost = summarise(scout)
    assert facts["forerunner"] == cost["ledger"]
    assert cost["frames"] > 0
    found = summarise(run)
    assert found["frames"] == cost["frames"] + facts["frames"]
    assert found["minutes"] == pytest.approx(cost["minutes"] + facts["seconds"] / 60, abs=1e-3)
    config = replace(run.config, collect=replace(run.config.collect, agent=str(run.scout), scout=""))
    named = RunFolder.create(tmp_path / "named", config)
    run_stages(named, ("collect",), quiet=True)
    assert EpisodeStore(named.rollouts).digest() == EpisodeStore(run.rollouts).digest()
    run.forget("collect")
    assert not run.scout.exists()


def test_one_that_was_cut_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = scouted(tmp_path / "whole"), scouted(tmp_path / "cut")
    run_stages(whole, ("collect",), quiet=True)
    save, saves = Evolution.save, []

    def dies(self: Evolution) -> None:
        save(self)
        saves.append(self.generation)
        if len(saves) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Evolution, "save", dies)
    monkeypatch.setattr(evolve, "SNAPSHOT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run_stages(cut, ("collect",), quiet=True)
    monkeypatch.undo()
    cut = RunFolder.open(cut.path)
    assert RunFolder.open(cut.scout).is_done("memory")
    run_stages(cut, ("collect",), quiet=True)
    assert EpisodeStore(cut.rollouts).digest() == EpisodeStore(whole.rollouts).digest()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["collect.agent=pretrained"], r"^collect\.agent and collect\.scout are two ways"),
        (["collect.scout=nobody"], "there is no recipe 'nobody'"),
    ],
)
def test_mistakes_come_before_anything_is_written(overrides: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        scouted(tmp_path / "run", *overrides)
    assert not (tmp_path / "run").exists()


def test_it_drives_in_the_run_s_world_with_its_arithmetic() -> None:
    config = settings.load("standard", ["env.action_repeat=2", "agent.precision=fp32", "workers=1", "seed=7"])
    scout = settings.scout_of(config)
    assert scout
    assert scout.name == "scout"
    assert (scout.env, scout.agent, scout.workers, scout.seed) == (config.env, config.agent, 1, 7)
    assert scout.controller == settings.load("scout").controller
    assert settings.scout_of(scout) is None


def test_it_keeps_the_precision_of_the_machine_that_made_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, auto = tmp_path / "auto.toml", ["vision.fit.precision=auto", "memory.fit.precision=auto"]
    settings.save(settings.load("debug", auto), recipe)
    monkeypatch.setattr(manifest, "fast_precision", lambda *_: "bf16")
    run = scouted(tmp_path / "run", f"collect.scout={recipe}")
    monkeypatch.setattr(manifest, "fast_precision", lambda *_: "fp32")  # on another machine
    monkeypatch.setattr(pipeline, "DRIVING_STAGES", ())
    with pytest.raises(UserError, match="scout has not finished its stage vision"):
        run_stages(RunFolder.open(run.path), ("collect",), quiet=True)
    scout = RunFolder.open(run.scout)
    assert scout.config.vision.fit.precision == scout.config.memory.fit.precision == "bf16"


def test_a_scout_may_have_one_itself(tmp_path: Path) -> None:
    recipe = tmp_path / "second.toml"
    settings.save(settings.load("debug", SETTINGS), recipe)
    run = scouted(tmp_path / "run", f"collect.scout={recipe}")
    run_stages(run, ("collect",), quiet=True)
    second = RunFolder.open(run.scout)
    first = RunFolder.open(second.scout)
    assert first.is_done("controller")
    assert summarise(run)["frames"] > summarise(second)["frames"] > summarise(first)["frames"]
    assert first.config.seed == run.config.seed


def test_scouts_that_go_in_a_circle(tmp_path: Path) -> None:
    recipe = tmp_path / "endless.toml"
    recipe.write_text(f'name = "endless"\ndescription = ""\n[collect]\nscout = "{recipe}"\n')
    with pytest.raises(UserError, match=r"^collect\.scout goes in a circle \(.*endless\.toml -> .*endless\.toml\)"):
        scouted(tmp_path / "run", f"collect.scout={recipe}")
    assert not (tmp_path / "run").exists()
