"""Finals on the road, whose drives are kept for the next round."""

import shutil
from pathlib import Path

import pytest

from reverie.data.store import EpisodeStore, Packed
from reverie.run.folder import RunFolder
from reverie.run.ledger import own_ledger
from reverie.seeding import TRAINING_TRACKS
from reverie.training.controller.laps import LapsTask, run_laps
from reverie.training.pipeline import DRIVING_STAGES, run_stages
from tests.training.small_rounds import of_rounds, rounds_of

pytestmark = pytest.mark.usefixtures("few_steps_of_imitation")

ON_ROAD = (
    "controller.world=dream",
    "memory.members=2",
    "memory.dream_starts=64",
    "controller.dream.decisions=4",
    "controller.search.finals.eval_every=1",
    "controller.search.finals.world=road",
    "controller.search.finals.record=true",
    "controller.search.finals.finalists=0",
    "controller.search.finals.spread=3",
    "controller.search.finals.halving=1",
    "controller.search.finals.tracks=2",
    "collect.episodes=8",
)


@pytest.fixture(scope="module")
def _recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = of_rounds(tmp_path_factory.mktemp("recorded") / "run", *ON_ROAD, "rounds.laps=0")
    run_stages(run, DRIVING_STAGES, quiet=True)
    return run.path


@pytest.fixture
def recorded(_recorded: Path, tmp_path: Path) -> RunFolder:
    """A run of three rounds whose finals were driven on the road and kept."""
    return RunFolder.open(shutil.copytree(_recorded, tmp_path / "run"))


def test_the_next_round_learns_from_the_finals_on_the_road(recorded: RunFolder) -> None:
    """Two centers and the beginning, then the better two: three laps and two more. Their frames are counted once."""
    rounds = rounds_of(recorded)
    stores, laps = [EpisodeStore(run.rollouts) for run in rounds], [EpisodeStore(run.laps) for run in rounds]
    num = [len(store) for store in laps]
    assert num[0] == 3 + 2
    assert num[1:] == [2 + 1] * 2, "one generation: where it began, and where it ended"
    assert stores[1].rounds == [8, num[0] + 4]
    assert stores[2].rounds == [8, num[0] + 4, num[1] + 4]
    for run, store, kept in zip(rounds, stores[1:], laps, strict=False):
        theirs = store.entries[-len(kept) - 4 : -4]
        assert [entry["sha256"] for entry in theirs] == [entry["sha256"] for entry in kept.entries]
        assert {entry.get("driver") for entry in theirs} == {"lap"}
        assert all(entry["seed"] in TRAINING_TRACKS for entry in theirs)
        frames = sum(entry["num_decisions"] for entry in kept.entries) * run.config.env.action_repeat
        assert own_ledger(run).selecting == frames
    driven = {entry["seed"] for entry in laps[0].entries}
    assert not driven & {entry["seed"] for entry in stores[1].entries[-4:]}


def test_finals_on_the_road_are_not_driven_twice(recorded: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was cut in the middle of its finals goes on with the next lap, and ends with the same bytes."""
    names = ("controller.safetensors", "laps/index.jsonl", "laps/episode_000002.npz")
    before = {name: (recorded.path / name).read_bytes() for name in names}
    facts = dict(recorded.stage("controller"))
    recorded.reopen("controller")
    index = recorded.laps / "index.jsonl"
    index.write_bytes(b"".join(index.read_bytes().splitlines(keepends=True)[:1]) + b"{")
    (recorded.laps / "episode_000001.npz").unlink()
    driven = list[int]()

    def counted(task: LapsTask) -> list[Packed]:
        driven.append(len(task.rollout.seeds) - task.skip)
        return run_laps(task)

    monkeypatch.setattr("reverie.training.controller.laps.run_laps", counted)
    run_stages(recorded, ("controller",), quiet=True)
    assert sum(driven) == 2
    assert {name: (recorded.path / name).read_bytes() for name in names} == before
    assert {**recorded.stage("controller"), "seconds": 0} == {**facts, "seconds": 0}


def test_other_finalists_drive_anew(recorded: RunFolder) -> None:
    old = EpisodeStore(recorded.laps).entries
    run = RunFolder.open_or_create(recorded.path, None, ["rounds.generations=3"])
    run_stages(run, ("controller",), quiet=True)
    new = EpisodeStore(run.laps).entries
    assert len(new) == 3 + 2
    assert new[0] == old[0], "where it began"
    assert new[1:3] != old[1:3]
