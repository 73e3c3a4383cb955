"""`reverie dream`: a video beside the real drive, and how true dreams are."""

import json
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from reverie.agent import Agent
from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.dream.moments import load_moments, save_moments
from reverie.lockstep import Lockstep
from reverie.models.files import load_controller, save_controller, save_memory
from reverie.models.mdn_rnn import Memory
from reverie.run.folder import RunFolder
from reverie.seeding import TEST_TRACKS, VALIDATION_TRACKS, torch_seeded
from reverie.show.dream_film import make_film, write_film
from reverie.studies.dream_truth import controllers_near, searches_of, varied_controllers
from reverie.studies.pack import pack
from reverie.training.controller.rollouts import agent_of
from reverie.training.controller.search import Evolution
from reverie.training.stage_clock import StageClock
from tests.cli.test_compare import Judges

DECISIONS = 4


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.show.dream_film.CONTEXT", 2)
    monkeypatch.setattr("reverie.studies.dream_truth.load_judges", lambda **_: Judges())
    for module in ("reverie.measure.dream.horizon", "reverie.studies.dream_report"):
        monkeypatch.setattr(f"{module}.HORIZONS", (1, 3))
    for module in ("horizon", "states", "failures"):
        monkeypatch.setattr(f"reverie.measure.dream.{module}.CONTEXT", 2)
    monkeypatch.setattr("reverie.measure.dream.horizon._LENGTH", 5)
    monkeypatch.setattr("reverie.measure.dream.states.EVERY", 1)
    monkeypatch.setattr("reverie.data.failures.STUCK", 2)
    for name, value in {"STUCK": 2, "AFTER": 3, "_SHAKING": 6}.items():
        monkeypatch.setattr(f"reverie.measure.dream.failures.{name}", value)


@pytest.fixture
def evolved(tiny_run: RunFolder) -> tuple[RunFolder, list[np.ndarray]]:
    """The tiny run after five generations of a made-up search, and the center after each."""
    return searched(tiny_run, 5)


def searched(tiny_run: RunFolder, num: int) -> tuple[RunFolder, list[np.ndarray]]:
    agent, _ = agent_of(tiny_run)
    (tiny_run.evolution / "state.safetensors").unlink()
    evolution, centers = Evolution(tiny_run, agent.controller), []
    rng = np.random.default_rng(num)
    for i in range(num):
        candidates = evolution.strategy.ask()
        evolution.strategy.tell(candidates, rng.normal(size=len(candidates)))
        evolution.history.append({"generation": i + 1, "eval_mean_return": None})
        centers.append(evolution.strategy.center)
    evolution.save()
    StageClock(tiny_run, "controller").done([tiny_run.controller, evolution.path], {})
    return RunFolder.open(tiny_run.path), centers


def test_video_forks_at_the_same_moment_and_lasts_as_long_as_the_drive(tiny_run: RunFolder, tmp_path: Path):
    agent, params = agent_of(tiny_run)
    film = make_film(agent, params, tiny_run.config.env, track=3, decisions=DECISIONS, temperature=1.0, seed=0)
    assert film.real.shape == film.same.shape == film.own.shape == (DECISIONS + 1, 64, 64, 3)
    assert np.array_equal(film.same[0], film.own[0])  # both see the moment of the fork
    again = make_film(agent, params, tiny_run.config.env, track=3, decisions=DECISIONS, temperature=1.0, seed=0)
    other = make_film(agent, params, tiny_run.config.env, track=3, decisions=DECISIONS, temperature=1.0, seed=1)
    assert np.array_equal(film.rewards[2], again.rewards[2])
    assert not np.array_equal(film.rewards[2], other.rewards[2])  # an untrained decoder hardly tells two latents apart
    assert np.array_equal(film.real, other.real)
    path = tmp_path / "dream.mp4"
    write_film(path, film, tiny_run.config.env, title="test", quiet=True)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 12.5
    assert len(frames) == DECISIONS + 1


def test_the_dream_with_the_same_actions_is_told_the_real_ones(tiny_run: RunFolder):
    """Where the agent's own choice in the dream is the real action, both dreams are one."""
    agent, params = agent_of(tiny_run)
    constant = np.zeros_like(params)  # acts the same whatever it sees
    film = make_film(agent, constant, tiny_run.config.env, track=3, decisions=DECISIONS, temperature=1.0, seed=0)
    np.testing.assert_array_equal(film.same, film.own)
    np.testing.assert_allclose(film.rewards[1], film.rewards[2], rtol=1e-5)
    film = make_film(agent, params, tiny_run.config.env, track=3, decisions=DECISIONS, temperature=1.0, seed=0)
    assert not np.allclose(film.rewards[1], film.rewards[2])


def test_reverie_dream_writes_a_video(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    assert main(["dream", str(tiny_run.path), "--seconds", "0.3", "--track", "2", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["video"]) == tiny_run.videos / "dream_2.mp4"
    assert Path(found["video"]).stat().st_size > 1000
    assert found["decisions"] == 4


def test_another_controller_of_the_run_is_filmed(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    """It drives the dream and the road beside it, as the run's own does where it is that one."""
    controller, params = load_controller(tiny_run.controller)
    made_for = {f"{part}_sha256": file_sha256(tiny_run.path / f"{part}.safetensors") for part in ("vision", "memory")}
    found = []
    for scale in (1.0, -1.0):
        other = tiny_run.path / "other.safetensors"
        save_controller(other, controller, scale * params, **made_for)
        command = ["dream", str(tiny_run.path), "--seconds", "0.3", "--controller", str(other), "--json", "--quiet"]
        assert main(command) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert main(["dream", str(tiny_run.path), "--seconds", "0.3", "--json", "--quiet"]) == 0
    own = json.loads(capsys.readouterr().out)
    assert found[0] == own
    assert found[1]["own_return"] != own["own_return"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "x.gif"], "give a name that ends in .mp4"),
        (["--temperature", "-1"], "give 0 or more"),
        (["--truth", "--split", "train"], "choose validation or test"),
        (["--truth", "--controllers", "3"], "4 or more"),
        (["--truth", "--controller", "x.safetensors"], "leave out --controller, or --truth"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], said: str, tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
):
    assert main(["dream", str(tiny_run.path), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_drive_that_ends_before_the_dream_is_said(
    tiny_run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def short(env, policy, seeds, *, max_decisions) -> Lockstep:  # noqa: ARG001
        return Lockstep(env, policy, seeds, max_decisions=1)

    monkeypatch.setattr("reverie.show.dream_film.Lockstep", short)
    assert main(["dream", str(tiny_run.path), "--quiet"]) == 1
    assert "ended after 1 decisions: choose another --track" in capsys.readouterr().err


def test_controllers_are_centers_of_the_search_and_the_best_with_noise(evolved: tuple[RunFolder, list[np.ndarray]]):
    run, centers = evolved
    agent, best = agent_of(run)
    params, generations = varied_controllers(searches_of(run, agent), best, num=10, seed=0)
    assert generations == [1, 2, 3, 5, -1, -1, -1, -1, -1]
    for row, generation in zip(params, generations, strict=True):
        if generation > 0:
            np.testing.assert_allclose(row, centers[generation - 1], rtol=1e-6)
    noise = [np.std(params[i] - best) / np.std(best) for i in range(-5, 0)]
    np.testing.assert_allclose(noise, 0.1 * np.geomspace(0.5, 32, 5), rtol=0.5)


def test_others_are_of_the_end_of_the_search_or_near_the_best(evolved: tuple[RunFolder, list[np.ndarray]]):
    run, centers = evolved
    agent, best = agent_of(run)
    params, generations = controllers_near(searches_of(run, agent), best, num=5, seed=0)
    assert generations == [3, 4, 5, -1, -1]
    np.testing.assert_allclose(params[:3], centers[2:], rtol=1e-6)
    near, far = (np.abs(params[i] - best).mean() for i in (-2, -1))
    assert 0 < near < far / 4


def test_centers_are_of_the_searches_of_all_rounds(
    evolved: tuple[RunFolder, list[np.ndarray]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The last search may have begun at a good driver: whatever ranks its centers ranks ties."""
    run, later = evolved
    shutil.copytree(run.path, tmp_path / "before")
    before, earlier = searched(RunFolder.open(tmp_path / "before"), 3)
    monkeypatch.setattr("reverie.studies.dream_truth.rounds_of", lambda _: [before, run])
    agent, best = agent_of(run)
    params, generations = varied_controllers(searches_of(run, agent), best, num=24, seed=0)
    assert generations[:-12] == [1, 2, 3, 4, 5, 7, 8]
    expected = np.stack([[*earlier, *later][generation - 1] for generation in generations[:-12]])
    np.testing.assert_allclose(params[:-12], expected, rtol=1e-6)
    params, generations = controllers_near(searches_of(run, agent), best, num=5, seed=0)
    assert generations == [6, 7, 8, -1, -1]
    np.testing.assert_allclose(params[:3], later[2:], rtol=1e-6)
    (before.evolution / "state.safetensors").unlink()
    assert [search.generation for search in searches_of(run, agent)] == [5]


def test_truth_is_measured_and_written(
    evolved: tuple[RunFolder, list[np.ndarray]], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    run, _ = evolved
    size = ["--drives", "4", "--controllers", "8", "--tracks", "3", "--above", "-1000"]
    assert main(["dream", str(run.path), "--truth", *size, "--output", str(tmp_path / "out"), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "8 controllers of every skill (centers of its searches: 4, its C with noise: 4), each on 3 valid" in out
    assert "each on 3 validation tracks and in as many dreams of at most 6 decisions (" in out
    assert "of these and 4 more near the best, 12 return -1000 or more on the road, " in out
    assert re.search(r"(None|[12]) of 2 cars with shaking hands failed", out)
    assert "| no wheel on the road |" in out
    found = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert all(track in VALIDATION_TRACKS for track in found["drives"]["tracks"])
    assert np.array(found["real"]).shape == (12, 3)
    assert found["varied"] == 8
    halves = found["road_between_halves"]
    assert f"({halves:.2f} between halves of the tracks); of these" in out
    assert set(found["states"]) == {"truth", "road", "dream", "speed_r2"}
    assert found["failures"]["cars"] == 2
    ranks = found["returns"][2]["ranks_above"]
    assert ranks["num"] == 12
    assert f"| {ranks['rho']:.2f} | [{ranks['interval'][0]:.2f}, {ranks['interval'][1]:.2f}] |" in out
    assert [one["temperature"] for one in found["returns"]] == [0.0, 0.5, 1.0, 1.15, 1.3]
    assert np.array(found["returns"][2]["dream"]).shape == (12, 3)
    assert len(found["drives"]["tracks"]) == 4
    for name in ("truth.md", "truth_horizon.png", "truth_returns.png", "truth_states.png"):
        assert (tmp_path / "out" / name).stat().st_size > 100


def test_another_driver_changes_the_drives_alone(evolved: tuple[RunFolder, list[np.ndarray]], tmp_path: Path):
    run, _ = evolved
    command = ["dream", str(run.path), "--truth", "--drives", "4", "--controllers", "8", "--tracks", "3", "--quiet"]
    found = {}
    for driver in ("own", "pretrained"):
        options = ["--output", str(tmp_path / driver), *(["--driver", driver] if driver != "own" else [])]
        assert main([*command, *options]) == 0
        found[driver] = json.loads((tmp_path / driver / "truth.json").read_text())
    own, other = found["own"], found["pretrained"]
    assert own["drives"]["still"] != other["drives"]["still"]
    assert [own[key] for key in ("driven", "returns", "real")] == [other[key] for key in ("driven", "returns", "real")]


def test_truth_of_an_ensemble_says_whether_it_knows_when_it_is_wrong(
    evolved: tuple[RunFolder, list[np.ndarray]], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    run, _ = evolved
    arguments = ["dream", str(run.path), "--truth", "--drives", "4", "--controllers", "8", "--tracks", "3", "--quiet"]
    arguments += ["--output", str(tmp_path / "out")]
    row = "| rank correlation of M's doubt with the latent's error |"
    for doubted in (False, True):
        if doubted:
            with torch_seeded(1, "member"):
                member = Memory(run.config.memory.model, 8, 3)
            path = run.path / "memory.1.safetensors"
            save_memory(path, member, vision_sha256=file_sha256(run.vision))
            moments, world = load_moments(run.dream, run.memory)  # only its moments count here
            save_moments(run.path / "dream.1.safetensors", moments, world, path)
        split, tracks = ("test", TEST_TRACKS) if doubted else ("validation", VALIDATION_TRACKS)
        assert main([*arguments, "--split", split]) == 0
        out = capsys.readouterr().out
        assert (row in out) == ("In dreams of the last member of M's ensemble" in out) == doubted
        numbers = json.loads((tmp_path / "out" / "truth.json").read_text())
        assert f"each on 3 {split} tracks" in out
        assert all(track in tracks for track in numbers["drives"]["tracks"])
        assert np.shape(numbers["judged"]) == ((12, 3) if doubted else ())
        found = numbers["drives"]["doubt"]
        assert (found is not None) == doubted
    assert len(found) == 2
    assert all(-1 <= rho <= 1 for rho in found)


def test_a_run_whose_search_is_damaged_is_refused(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]):
    (tiny_run.evolution / "state.safetensors").unlink()
    assert main(["dream", str(tiny_run.path), "--truth", "--quiet", "--drives", "4"]) == 1
    assert "state.safetensors" in capsys.readouterr().err


def test_a_run_that_left_search_and_episodes_behind_is_measured_by_its_best_with_noise(
    tiny_run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    """As those that ship are."""
    pack(tiny_run, tmp_path / "agent.zip")
    command = ["dream", str(tmp_path / "agent.zip"), "--truth", "--drives", "4", "--controllers", "8", "--tracks", "3"]
    assert main([*command, "--output", str(tmp_path / "out"), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "8 controllers of every skill (centers of its searches: 0, its C with noise: 8)" in out
    assert "left its episodes behind" in out
    found = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert found["calibration"] is None
    assert found["generations"] == [-1] * 12


def test_agent_is_the_run_s(tiny_run: RunFolder):
    agent, params = agent_of(tiny_run)
    assert isinstance(agent, Agent)
    assert len(params) == agent.controller.num_params
