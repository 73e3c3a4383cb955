"""Evaluations that a run keeps: what is read of them, and when they no longer count."""

import re
from dataclasses import replace

import numpy as np
import pytest

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.errors import UserError
from reverie.measure.score import Evaluation
from reverie.models.files import load_controller, save_controller
from reverie.run.evaluations import as_evaluation, faults, keep, kept, read, returns_by_track, score
from reverie.run.folder import RunFolder
from tests.evaluations import EVALUATION

FOUND = replace(
    EVALUATION,
    run="somewhere",
    num_tracks=6,
    first_seed=2,
    mean=500.0,
    std=10.0,
    ci95=(490.0, 510.0),
    returns=(500.0, 501.0, 502.0, 498.0, 499.0, 500.0),
    frames=6000,
    decisions=1500,
)


def another_controller(run: RunFolder) -> None:
    controller, params = load_controller(run.controller)
    save_controller(run.controller, controller, params + 1, vision_sha256="0" * 64, memory_sha256="0" * 64)


def test_what_was_measured_is_found_again(tiny_run: RunFolder) -> None:
    path = keep(tiny_run, FOUND, tiny_run.agent_digest)
    assert path
    keep(tiny_run, replace(FOUND, renderer="fast", mean=400.0), tiny_run.agent_digest)
    run = RunFolder.open(tiny_run.path)
    assert path.name == "gymnasium_6_from_2.json"
    assert [(one["renderer"], one["num_tracks"]) for one in kept(run)] == [
        ("gymnasium", 4),  # the stage's own
        ("fast", 6),
        ("gymnasium", 6),
    ]
    found = score(run)
    assert found is not None
    assert (found["mean"], found["num_tracks"]) == (500.0, 6)  # the one on the most tracks
    assert as_evaluation(found) == FOUND
    assert run.is_done("pictures") == tiny_run.is_done("pictures")
    assert not list(faults(run))


def test_a_number_is_read_as_one_however_others_wrote_it(tiny_run: RunFolder) -> None:
    text = tiny_run.evaluation.read_text()
    tiny_run.evaluation.write_text(
        text.replace('"mean": 800.0', '"mean": "800"').replace('"frames": 3600', '"frames": 3600.0')
    )
    assert (read(tiny_run.evaluation)["mean"], repr(read(tiny_run.evaluation)["frames"])) == (800.0, "3600")


def test_returns_are_put_together_by_track(tiny_run: RunFolder) -> None:
    keep(tiny_run, FOUND, tiny_run.agent_digest)
    found = returns_by_track(kept(tiny_run), "gymnasium")
    assert sorted(found) == list(range(8))  # 0 to 3 by the stage, 2 to 7 by hand
    assert (found[0], found[1], found[7]) == (700.0, 800.0, 500.0)
    assert returns_by_track(kept(tiny_run), "fast") == {}


def test_another_agent_has_not_been_evaluated(tiny_run: RunFolder) -> None:
    path = keep(tiny_run, FOUND, tiny_run.agent_digest)
    assert path
    another_controller(tiny_run)
    tiny_run.reopen("controller")
    assert kept(tiny_run) == []
    assert score(tiny_run) is None
    keep(tiny_run, replace(FOUND, first_seed=9), tiny_run.agent_digest)
    assert not path.exists()
    assert [one["first_seed"] for one in kept(tiny_run)] == [9]


def test_a_score_is_not_kept_as_that_of_an_agent_that_came_while_it_was_measured(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By another process: a search that is begun anew while an hour of evaluation goes on."""

    def drive(run: RunFolder, *_: object, **__: object) -> Evaluation:
        another_controller(run)
        return FOUND

    monkeypatch.setattr("reverie.training.pipeline.evaluate_run", drive)
    assert main(["evaluate", str(tiny_run.path), "--workers", "0"]) == 0
    said = capsys.readouterr()
    assert "was made anew while it drove: evaluate again" in said.err
    assert "kept in" not in said.out
    assert [one["num_tracks"] for one in kept(RunFolder.open(tiny_run.path))] == [4]  # the stage's own


def test_they_go_with_what_they_were_made_of(tiny_run: RunFolder) -> None:
    keep(tiny_run, FOUND, tiny_run.agent_digest)
    tiny_run.forget("controller")
    assert not tiny_run.evaluations.exists()
    assert "evaluations" not in tiny_run.stage("evaluate")


def test_a_damaged_one_is_not_read_and_is_said(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = keep(tiny_run, FOUND, tiny_run.agent_digest)
    assert path
    path.write_text(path.read_text().replace("500.0", "900.0"))
    assert [one["num_tracks"] for one in kept(tiny_run)] == [4]
    assert main(["info", str(tiny_run.path), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert f"{path} is damaged" in error
    assert f"reverie evaluate {tiny_run.path} --renderer gymnasium --tracks 6 --first-seed 2" in error
    keep(tiny_run, FOUND, tiny_run.agent_digest)  # which mends it
    assert main(["info", str(tiny_run.path), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "500.0, 95% interval [490, 510], 6 unseen tracks" in out
    assert "2 to 7" in out


def test_the_command_keeps_what_it_measures(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run.forget("evaluate")
    command = ["evaluate", str(tiny_run.path), "--tracks", "2", "--renderer", "fast", "--workers", "0", "--quiet"]
    assert main(command) == 0
    out = capsys.readouterr().out
    path = tiny_run.path / "evaluations" / "fast_2_from_0.json"
    assert f"kept in {path}" in out
    (found,) = kept(RunFolder.open(tiny_run.path))
    assert np.mean(found["returns"]) == pytest.approx(found["mean"])
    with tiny_run.locked():
        assert main([*command, "--json"]) == 0
    assert f"the evaluation of {tiny_run.path} is not kept" in capsys.readouterr().err


def test_a_run_that_ships_is_only_read(monkeypatch: pytest.MonkeyPatch, tiny_run: RunFolder) -> None:
    monkeypatch.setattr(RunFolder, "is_packaged", property(lambda _: True))
    command = ["evaluate", str(tiny_run.path), "--tracks", "1", "--renderer", "fast", "--workers", "0", "--quiet"]
    assert main(command) == 0
    assert not tiny_run.evaluations.exists()


@pytest.mark.parametrize("content", ["{}", "[1]", '{"renderer": "fast"}'])
def test_what_is_no_evaluation_is_refused_whatever_its_checksum_says(content: str, tiny_run: RunFolder) -> None:
    path = keep(tiny_run, FOUND, tiny_run.agent_digest)
    assert path
    path.write_text(content)
    tiny_run.stage("evaluate")["evaluations"] = {str(path.relative_to(tiny_run.path)): file_sha256(path)}
    tiny_run.write_manifest()
    run = RunFolder.open(tiny_run.path)
    with pytest.raises(UserError, match="is no evaluation"):
        kept(run)
    assert [str(fault).partition(" is ")[0] for _, fault in faults(run)] == [str(path)]


def test_a_missing_file_of_any_name_is_a_fault(tiny_run: RunFolder) -> None:
    tiny_run.stage("evaluate")["evaluations"] = {"evaluations/x.json": "0" * 64}
    [(path, fault)] = faults(tiny_run)
    assert str(fault) == f"{path} is missing: restore it from a copy"


def test_a_challenge_is_another_score_and_never_taken_for_the_plain_one(
    tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = score(tiny_run)
    path = keep(
        tiny_run, replace(FOUND, num_tracks=50, returns=(1.0,) * 50, mean=1.0, challenge="blob"), tiny_run.agent_digest
    )
    assert path
    assert path.name == "gymnasium_50_from_2_blob.json"
    assert score(tiny_run) == before
    assert 10 not in returns_by_track(kept(tiny_run), "gymnasium")
    assert returns_by_track(kept(tiny_run), "gymnasium", "blob")[10] == 1.0
    assert main(["info", str(tiny_run.path), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^2 to 51 +gymnasium +blob +1\.0 ", said, re.M), said
    path.unlink()
    [(_, fault)] = faults(tiny_run)
    assert "--renderer gymnasium --tracks 50 --first-seed 2 --challenge blob`" in str(fault)


def test_the_command_takes_a_challenge(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(tiny_run.path), "--tracks", "2", "--renderer", "fast", "--workers", "0", "--quiet"]
    assert main([*command, "--challenge", "bars"]) == 0
    assert "drawn by fast, challenge bars" in capsys.readouterr().out
    [found] = [one for one in kept(RunFolder.open(tiny_run.path)) if one["challenge"]]
    assert (found["challenge"], found["renderer"], len(found["returns"])) == ("bars", "fast", 2)
    assert main([*command, "--challenge", "fog"]) == 2
    error = capsys.readouterr().err
    assert "fog" in error
    assert "colour3" in error
    assert error.count("\n") == 1
