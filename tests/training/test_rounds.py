"""Rounds: a chain of runs, each of which goes on from the data, the models and the driver of the one before."""

import shutil
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.data.episode import Episode
from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.data.store import About, EpisodeStore, pack_episode
from reverie.envs.config import EnvConfig
from reverie.errors import UserError
from reverie.models.coding import encode
from reverie.models.files import load_memory, load_vision
from reverie.run import settings
from reverie.run.chain import as_round, round_before, round_of
from reverie.run.folder import RunFolder
from reverie.run.ledger import ledger, own_ledger
from reverie.seeding import TRAINING_TRACKS
from reverie.training import loop
from reverie.training.budget import budget
from reverie.training.controller import evolve
from reverie.training.drives import failures_of, planned
from reverie.training.pipeline import DRIVING_STAGES, run_stages
from reverie.training.rounds import describe_rounds
from reverie.training.summary import summarise
from tests.training.small_rounds import SMALL, of_rounds, rounds_of

pytestmark = pytest.mark.usefixtures("few_steps_of_imitation")


@pytest.fixture(scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = of_rounds(tmp_path_factory.mktemp("rounds") / "run", "memory.members=2")
    run_stages(run, DRIVING_STAGES, quiet=True)
    return run.path


@pytest.fixture
def whole(_whole: Path, tmp_path: Path) -> RunFolder:
    """A run of three rounds, up to its controller."""
    return RunFolder.open(shutil.copytree(_whole, tmp_path / "run"))


def test_a_round_follows_from_the_recipe_of_the_last_one() -> None:
    config = settings.load("debug", SMALL)
    assert round_of(config, 2) == config
    first, second = round_of(config, 0), round_of(config, 1)
    assert (first.rounds.num, second.rounds.num) == (1, 2)
    assert round_before(second) == first
    assert round_before(first) is None
    assert len({first.seed, second.seed, config.seed}) == 3
    assert not first.controller.search.start.imitate, "there is nobody yet"
    assert second.controller == config.controller
    assert (as_round(first).memory.steps, as_round(second).memory.steps) == (first.memory.steps, 2)
    assert as_round(as_round(config)) == as_round(config)
    clear = settings.load("debug", ["rounds.num=3", "rounds.latent_noise=0"])
    assert [as_round(round_of(clear, n)).memory.latent_noise for n in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(("doubt", "heeded"), [("last", [0, 0, 1]), ("later", [0, 1, 1]), ("all", [1, 1, 1])])
def test_whose_searches_heed_doubt(doubt: str, heeded: list[int]) -> None:
    of_it = ["controller.dream.doubt_cut=0.5", "controller.dream.doubt_cost=30"]
    config = settings.load("debug", ["rounds.num=3", f"rounds.doubt={doubt}", *of_it])
    doubts = [(each.doubt_cut, each.doubt_cost) for each in (round_of(config, n).controller.dream for n in range(3))]
    assert doubts == [(0.5, 30.0) if one else (0.0, 0.0) for one in heeded]


def test_the_last_round_may_drive_longer_finals() -> None:
    finals = ["controller.search.finals.tracks=36", "controller.search.finals.halving=9"]
    shorter = ["rounds.num=3", "rounds.finals_tracks=12", "rounds.finals_halving=3"]

    def driven(*overrides: str) -> list[tuple[int, int]]:
        config = settings.load("debug", ["rounds.num=3", *finals, *overrides])
        every = (round_of(config, n).controller.search.finals for n in range(3))
        return [(each.tracks, each.halving) for each in every]

    assert driven() == [(36, 9)] * 3
    assert driven(*shorter) == [(12, 3), (12, 3), (36, 9)]
    assert driven(shorter[1]) == [(12, 9), (12, 9), (36, 9)]
    assert driven(shorter[2]) == [(36, 3), (36, 3), (36, 9)]


def test_each_round_adds_to_the_data_and_goes_on_from_the_models(whole: RunFolder) -> None:
    rounds = rounds_of(whole)
    stores = [EpisodeStore(run.rollouts) for run in rounds]
    assert [store.rounds for store in stores] == [[4], [4, 5], [4, 5, 5]]
    for older, newer in pairwise(stores):
        assert newer.entries[: len(older)] == older.entries
    seeds = [entry["seed"] for entry in stores[-1].entries]
    assert len(set(seeds)) == len(seeds)
    assert all(seed in TRAINING_TRACKS for seed in seeds)
    drivers = [entry.get("driver") for entry in stores[-1].entries]
    assert drivers[4:9] == drivers[9:] == ["lap", "random", "agent", "random", "agent"]
    assert [run.stage("collect")["agent_digest"][:16] for run in rounds[1:]] == [
        file_sha256(run.vision)[:16] for run in rounds[:-1]
    ]
    for run, store in zip(rounds, stores, strict=True):
        run.require_agent()
        latents = LatentStore(run.latents)
        assert latents.rounds == store.rounds
        assert latents.meta["episodes_sha256"] == store.digest()
        assert not (run.rollouts / "frames.npy").exists() or run is whole
    assert split(stores[-1].rounds).held_out.tolist() == [3, 8, 13]


def test_without_a_step_models_are_those_of_the_round_before(tmp_path: Path) -> None:
    run = of_rounds(tmp_path / "run", "rounds.num=2", "rounds.memory_steps=0", "rounds.vision_epochs=0")
    run_stages(run, DRIVING_STAGES[:4], quiet=True)
    first = RunFolder.open(run.rounds / "0")
    assert run.vision.read_bytes() == first.vision.read_bytes()
    facts = run.stage("vision")
    assert facts["kept"] is True
    assert facts["fitted_error"] == first.stage("vision")["held_out_mean_squared_error"]
    mine, theirs = (load_memory(each.memory).state_dict() for each in (run, first))
    assert all(mine[key].equal(theirs[key]) for key in theirs)
    ours, before = LatentStore(run.latents), LatentStore(first.latents)
    n = before.num_observations
    assert ours.num_observations > n
    np.testing.assert_array_equal(ours.mu[:n], before.mu)
    episode, vision = EpisodeStore(run.rollouts)[len(before)], load_vision(run.vision).eval()
    mu, _ = encode(vision, episode.obs, batch=None, precision="fp32")
    np.testing.assert_allclose(ours.of_episode(len(before))[0], mu, atol=1e-2)


class Killed(BaseException):
    """Not an Exception, so that nothing tidies up after it."""


def dies_after(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies where it has put so many files in their places, and is about to put the next."""
    replace, done = Path.replace, 0

    def counted(self: Path, target: Path) -> Path:
        nonlocal done
        if done == writes:
            raise Killed
        done += 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", counted)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(evolve, "SNAPSHOT_SECONDS", 0.0)


def made(run: RunFolder) -> dict[str, str]:
    """SHA-256 of all that the rounds of a run made, and what their manifests say but for times."""
    names = (
        "rollouts/*",
        "latents/*",
        "vision.safetensors",
        "memory*.safetensors",
        "dream*.safetensors",
        "controller.*",
    )
    found = {}
    for each in rounds_of(run):
        for path in sorted(path for name in names for path in each.path.glob(name)):
            if path.name not in ("frames.npy", "frames.json") and "optimizer" not in path.name:
                found[f"{each.path.name if each is not run else 'last'}/{path.name}"] = file_sha256(path)
    return found


def facts_of(run: RunFolder) -> list[dict[str, Any]]:
    times = ("seconds", "files", "forerunner_minutes", "metrics")  # the log says when
    return [
        {key: value for key, value in stage.items() if key not in times}
        for each in rounds_of(run)
        for stage in each.manifest["stages"].values()
    ]


def test_killed_at_any_moment_it_ends_the_same(whole: RunFolder, tmp_path: Path) -> None:
    run, chance, sittings = of_rounds(tmp_path / "killed", "memory.members=2"), np.random.default_rng(0), 0
    is_done = False
    while not is_done:
        with pytest.MonkeyPatch.context() as monkeypatch:
            dies_after(int(chance.integers(10, 50)), monkeypatch)
            try:
                run_stages(RunFolder.open(run.path), DRIVING_STAGES, quiet=True)
                is_done = True
            except Killed:
                sittings += 1
    assert sittings > 5
    run = RunFolder.open(run.path)
    assert made(run) == made(whole)
    assert facts_of(run) == facts_of(whole)


def test_the_ledger_adds_up(whole: RunFolder) -> None:
    rounds = rounds_of(whole)
    own, total = [own_ledger(run) for run in rounds], ledger(whole)
    assert total == own[0] + own[1] + own[2]
    assert own[0].measuring == 0
    laps = [run.stage("collect")["measuring_frames"] for run in rounds[1:]]
    assert [each.measuring for each in own[1:]] == laps == [24, 24]  # a lap each, cut by env.max_frames
    for run, each in zip(rounds, own, strict=True):
        number, entries = run.recipe.rounds.num - 1, EpisodeStore(run.rollouts).entries
        decisions = sum(entry["num_decisions"] for entry in entries if entry.get("round", 0) == number)
        assert each.collecting + each.measuring == 4 * decisions
        assert each.learning == run.stage("controller")["frames"]
    assert total.frames == summarise(whole)["frames"]
    assert whole.stage("collect")["forerunner"] == asdict(own[0] + own[1])
    assert total.frames <= budget(whole.recipe)["real_frames"]
    shutil.rmtree(whole.rounds)  # what came before stands in the manifest, too
    assert ledger(RunFolder.open(whole.path)) == total


def test_real_laps_stand_in_the_next_round(whole: RunFolder) -> None:
    found = describe_rounds(whole)
    assert [each["round"] for each in found] == [0, 1, 2]
    assert [each["episodes"] for each in found] == [4, 5, 5]
    entries = EpisodeStore(whole.rollouts).entries
    laps = [entry["episode_return"] for entry in entries if entry.get("driver") == "lap"]
    assert [each["laps"]["returns"] for each in found[:2]] == [[lap] for lap in laps]
    assert [each["laps"] for each in found[2:]] == [None]
    assert describe_rounds(RunFolder.open(whole.rounds / "0")) == []
    assert len(describe_rounds(RunFolder.open(whole.rounds / "1"))) == 2


def lived(rew: np.ndarray, *, end: bool = False) -> Episode:
    obs, act = np.zeros((len(rew) + 1, 64, 64, 3), np.uint8), np.zeros((len(rew), 3), np.float32)
    return Episode(obs=obs, act=act, rew=rew.astype(np.float32), end=end, trunc=not end)


def test_the_place_where_it_came_off_is_known_by_the_tiles_until_then(tmp_path: Path) -> None:
    """With 4 frames a decision at 0.1 each, 4.6 are 5 of 1,000: twenty of them are a tenth of the lap."""
    store, drive, lull = EpisodeStore(tmp_path / "rollouts"), [4.6] * 20, [-0.4] * 11
    for rew, end in ((drive + lull, False), (drive + lull + [-0.4], False), (drive + lull, True), (drive, True)):
        about = About(round=0, driver="lap", start=None)
        store.append(pack_episode(len(store), lived(np.array(rew), end=end), TRAINING_TRACKS[len(store)], about))
    found = failures_of(store, range(4), EnvConfig(action_repeat=4))
    assert [failure.track for failure in found] == list(TRAINING_TRACKS[1:3])
    assert [failure.place for failure in found] == pytest.approx([0.1, 0.1])


def test_episodes_begin_before_the_places_where_it_came_off(tmp_path: Path) -> None:
    """Episode 0 has a tenth of the lap from its start at 0.95 on, and then nothing more; others are no failures of the
    last driver's."""
    store = EpisodeStore(tmp_path / "rollouts")
    came, went = lived(np.repeat([4.6, -0.4], 20)), lived(np.repeat(4.6, 40))
    for episode, driver, number in ((came, "agent", 1), (went, "agent", 1), (came, "random", 1), (came, "agent", 0)):
        start = (0.95, 0.0, 0.0)
        about = About(round=number, driver=driver, start=start)
        store.append(pack_episode(len(store), episode, TRAINING_TRACKS[len(store)], about))
    config = settings.load("debug", [*SMALL, "rounds.episodes=200", "rounds.stall_decisions=40", "rounds.laps=3"])
    drives = planned(config, store, len(store))
    assert len(drives) == 203
    assert planned(config, store, len(store)) == drives
    assert [drive.driver for drive in drives[:3]] == ["lap"] * 3
    again = [drive for drive in drives if drive.track == TRAINING_TRACKS[0]]
    assert len(again) == 60
    assert {drive.driver for drive in again} == {"agent", "random"}
    assert all(drive.stall_decisions == 40 for drive in again)
    places = [(drive.start.fraction + 0.5) % 1.0 for drive in again if drive.start]  # the place, 0.05, is 0.55
    assert len(set(places)) == 60
    assert min(places) >= 0.55 - 0.07
    assert max(places) <= 0.55 - 0.02
    beside = [drive for drive in drives[3:] if drive.start and abs(drive.start.offset) > 8]
    assert len(beside) == pytest.approx(60, abs=2)
    others = {drive.track for drive in drives if drive not in again}
    assert len(others) == 143
    assert not others & {entry["seed"] for entry in store.entries}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["collect.agent=pretrained"], r"^collect\.agent and rounds\.num = 3 are two ways to say who drives"),
        (["collect.scout=debug"], r"^collect\.scout and rounds\.num = 3 are two ways"),
        (
            ["controller.search.start.imitate=false", "controller.search.start.init_from=x"],
            r"init_from is a controller",
        ),
        (["rounds.beside=0.8"], r"rounds\.failures = 0\.3 and rounds\.beside = 0\.8 are shares of the same"),
        (
            ["env.renderer=gymnasium", "collect.starts=line"],
            r"rounds\.failures > 0 needs CarRacing-v3 with env\.renderer",
        ),
    ],
)
def test_mistakes_come_before_anything_is_written(overrides: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        of_rounds(tmp_path / "run", *overrides)
    assert not (tmp_path / "run").exists()


def test_what_a_round_goes_on_from_is_not_made_anew(whole: RunFolder) -> None:
    for number in (0, 1):
        run = RunFolder.open(whole.rounds / str(number))
        with pytest.raises(UserError, match=rf"rounds/{number} is a round that .* goes on from: leave it"):
            run_stages(run, ("memory",), again=True, quiet=True)
        with pytest.raises(UserError, match="goes on from: leave it"):
            run_stages(run, ("memory",), more=1, quiet=True)
        with pytest.raises(UserError, match=r"was made with memory\.steps"):
            RunFolder.open_or_create(run.path, None, ["memory.steps=3"])
        assert run.is_done("memory")
    assert RunFolder.open(whole.rounds / "0").successor == (whole.rounds / "1").resolve()
    assert whole.successor is None


def test_settings_of_rounds_stay_as_they_are_until_the_last_has_begun(whole: RunFolder) -> None:
    """Then those of its own stages may change, as anywhere."""
    longer = RunFolder.open_or_create(whole.path, None, ["rounds.generations=2"])
    with longer.locked():
        longer.take_settings()
    assert (longer.is_done("memory"), longer.is_done("controller")) == (True, False)
    assert longer.config.controller.search.generations == 2
    with pytest.raises(UserError, match=r"was made with rounds\.num = 3, not 4"):
        RunFolder.open_or_create(whole.path, None, ["rounds.num=4"])
    with whole.locked():
        whole.manifest["stages"].pop("collect")
        whole.write_manifest()
    with pytest.raises(UserError, match=r"was made with rounds\.generations = 2, not 3"):
        RunFolder.open_or_create(whole.path, None, ["rounds.generations=3"])


def test_rounds_that_are_gone_or_changed_are_named(whole: RunFolder) -> None:
    for stage in ("controller", "memory"):
        whole.manifest["stages"].pop(stage)
    whole.write_manifest()
    (whole.rounds / "1" / "controller.safetensors").rename(whole.path / "elsewhere")
    with pytest.raises(UserError, match=r"^round 1: .*controller.safetensors is missing: restore it"):
        run_stages(RunFolder.open(whole.path), ("memory",), quiet=True)
    shutil.rmtree(whole.rounds / "1")
    with pytest.raises(UserError, match=r"^round 1: .*rounds/1 is missing, which .* goes on from: restore it"):
        run_stages(RunFolder.open(whole.path), ("memory",), quiet=True)
    whole.manifest["stages"].pop("collect")
    whole.write_manifest()
    first = RunFolder.open(whole.rounds / "0")
    model = replace(first.recipe.memory.model, hidden_size=8)
    first.save_recipe(replace(first.recipe, memory=replace(first.recipe.memory, model=model)))
    with pytest.raises(UserError, match=r"rounds/0 was made with memory\.model\.hidden_size = 8, not 16 as"):
        run_stages(RunFolder.open(whole.path), ("collect",), quiet=True)


def test_the_best_round_is_found_and_scored_beside_the_last(whole: RunFolder, capsys: pytest.CaptureFixture) -> None:
    run = RunFolder.open_or_create(whole.path, None, ["rounds.keep=best", "rounds.keep_tracks=2", "evaluate.tracks=1"])
    run_stages(run, ("evaluate",), quiet=True)
    facts = run.stage("evaluate")
    means = facts["validated_rounds"]
    assert len(means) == 3
    assert facts["selected_round"] == max(range(3), key=lambda i: (means[str(i)], i))
    assert facts["selecting_frames"] == 3 * 2 * 24
    assert ledger(run).selecting == facts["selecting_frames"]
    found = summarise(run)
    assert found["selected"]["round"] == facts["selected_round"]
    assert found["evaluation"]["mean"] == facts["mean"]
    assert found["selected"]["evaluation"]["mean"] == facts.get("selected_mean", facts["mean"])
    main(["info", str(run.path), "--quiet"])
    said = capsys.readouterr().out
    assert "selected  round" in said
    assert "steps  judged  laps" in said
    assert "measuring" in said


def test_what_is_dreamt_is_no_frame(tmp_path: Path) -> None:
    dreams = ["world=dream", "dream.decisions=3", "dream.judge=true", "dream.members=first"]
    overrides = [*(f"controller.{each}" for each in dreams), "memory.members=2", "rounds.num=2"]
    run = of_rounds(tmp_path / "run", *overrides)
    run_stages(run, DRIVING_STAGES, quiet=True)
    found = ledger(run)
    assert found.learning == 0
    assert found.dreamt == sum(each.stage("controller")["dreamt"] for each in rounds_of(run)) > 0
    assert found.frames == sum(each.stage("collect")["frames"] for each in rounds_of(run))
    assert found.dreamt <= budget(run.recipe)["dreamt_decisions"]
