"""The search in dreams of M's whose best C is known: each pays for steering to one side, whatever is seen."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from reverie.data.latents import LatentStore
from reverie.dream.moments import DREAM, make_moments, save_moments
from reverie.dream.tracks import DreamTracks
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.files import MEMORY, load_controller, numbered, save_memory
from reverie.models.mdn_rnn import Memory
from reverie.rollout import Outcome
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.seeding import VALIDATION_TRACKS
from reverie.show.paper import read_log
from reverie.training.controller import evolve
from reverie.training.controller.dreams import DreamRollouts
from reverie.training.controller.evolve import is_spent
from reverie.training.controller.rollouts import Rollouts
from reverie.training.controller.search import Evolution
from reverie.training.controller.stage import train_controller
from reverie.training.memory import world_of
from reverie.workers.contract import Workers
from reverie.workers.inline import InlineWorkers
from reverie.workers.processes import ProcessWorkers

DECISIONS = 5
BEST = math.tanh(math.tanh(1))
"""What M's LSTM makes of the wheel hard over."""


def paying(run: RunFolder, for_right: float, always: float = 0.0) -> Memory:
    """An M that expects `for_right` x tanh(tanh(steering)) + `always` of every decision, and latents near 0."""
    memory = Memory(run.config.memory.model, run.config.vision.net.z_size, 3)
    h, scale = memory.config.hidden_size, memory.config.reward.scale
    assert memory.config.reward.head == "value"
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.zero_()
        bias, wheel = (memory.get_parameter(f"lstm.{name}_l0") for name in ("bias_ih", "weight_ih"))
        bias[:h], bias[h : 2 * h], bias[3 * h :] = 20, -20, 20  # gates: all comes in, nothing is kept, all goes out
        wheel[2 * h, memory.z_size] = 1
        memory.head.weight[-2, 0], memory.head.bias[-2] = for_right / scale, always / scale
        memory.head.bias[-1] = -30
        normals = memory.z_size * memory.config.num_mixtures
        memory.head.bias[2 * normals : 3 * normals] = -5
    return memory


def dreaming(run: RunFolder, memories: Sequence[Memory], *overrides: str) -> RunFolder:
    """The run with these for its M's, and a search in their dreams."""
    for path in (*run.path.glob("memory.*"), *run.path.glob("dream.*")):
        path.unlink()
    for i, memory in enumerate(memories):
        path = run.path / numbered(MEMORY, i)
        save_memory(path, memory, vision_sha256=file_sha256(run.vision))
        moments = make_moments(memory, LatentStore(run.latents), 64, seed=0, context=4, action_repeat=4)
        moments = replace(moments, earned=torch.zeros(64), frames=torch.zeros(64, dtype=torch.long))
        save_moments(run.path / numbered(DREAM, i), moments, world_of(run.config.env), path)
    recipe = run.path / "recipe.toml"
    given = [
        "controller.world=dream",
        f"controller.dream.decisions={DECISIONS}",
        "controller.dream.precision=fp32",
        f"memory.members={len(memories)}",
        "controller.search.strategy.cma.population=8",
        "controller.search.strategy.cma.sigma=0.5",
        "controller.search.stall_decisions=0",
        *overrides,
    ]
    run.save_recipe(settings.load(str(recipe), given))
    run.forget("controller")
    return RunFolder.open(run.path)


def search(run: RunFolder) -> dict[str, np.ndarray]:
    """Searches, or goes on; the log."""
    with Metrics(run.path, tensorboard=False) as metrics:
        train_controller(run, InlineWorkers(), metrics, quiet=True)
    return read_log((run.evolution / "log.csv").read_text())


def rollouts(run: RunFolder, workers: Workers | None = None) -> DreamRollouts:
    workers = workers or InlineWorkers()
    return DreamRollouts(Rollouts(run, workers, run.config.controller.model), workers)


def returns(outcomes: Sequence[Outcome]) -> np.ndarray:
    return np.array([one.ret for one in outcomes])


def test_the_search_finds_what_m_pays_for(tiny_run: RunFolder) -> None:
    run = dreaming(
        tiny_run,
        [paying(tiny_run, for_right=10.0)],
        "controller.search.generations=24",
        "controller.search.finals.eval_every=12",
    )
    log = search(run)
    best = DECISIONS * 10 * BEST
    assert log["mean_return"][0] < 0.5 * best
    assert log["mean_return"][-1] > 0.9 * best
    facts = run.stage("controller")
    assert 0.95 * best < facts["validation_score"] <= best * (1 + 1e-5)
    assert (facts["frames"], facts["decisions"], facts["selecting_frames"], facts["measuring_frames"]) == (0, 0, 0, 0)
    # 24 generations of 8, two evaluations of 2 and finals of 2 x 2 or 3 x 2 dreams
    assert facts["dreamt"] in [DECISIONS * (24 * 8 + 2 * 2 + 2 * finalists) for finalists in (2, 3)]
    assert facts["exploits"] == 0
    _, params = load_controller(run.controller)
    assert returns(rollouts(run).validated(params[None], np.array([VALIDATION_TRACKS[40:60]]))).min() > 0.95 * best


def test_what_no_world_could_give_is_counted_and_never_paid(tiny_run: RunFolder) -> None:
    run = dreaming(tiny_run, [paying(tiny_run, for_right=1.0, always=300.0)], "controller.search.generations=1")
    log = search(run)
    ended_after = 4  # promises of 300
    assert log["max_return"][0] == pytest.approx(1000 - 0.1 * 4 * ended_after, rel=1e-5)
    assert log["exploits"][0] == 8 + 2  # candidates, and the center on two validation dreams
    assert log["dreamt"][0] == ended_after * (8 + 2)


def test_a_judge_takes_no_part_and_its_word_ends_the_search(tiny_run: RunFolder) -> None:
    memories = [paying(tiny_run, for_right=10.0), paying(tiny_run, for_right=-10.0)]
    run = dreaming(
        tiny_run,
        memories,
        "controller.dream.judge=true",
        "controller.dream.patience=2",
        "controller.search.generations=9",
        "controller.search.finals.eval_every=1",
    )
    log = search(run)
    own, judged = log["eval_own_return"], log["eval_mean_return"]
    assert own[-1] > own[0]  # C learns what the first M pays for,
    np.testing.assert_allclose(judged, -own, rtol=1e-4)  # which the judge thinks the worse of
    best = int(judged.argmax())
    assert len(judged) == best + 1 + 2 < 9
    assert run.stage("controller")["validation_score"] == pytest.approx(judged.max(), rel=0.05)
    assert len(search(RunFolder.open(run.path))["generation"]) == len(judged), "it is over, and stays so"


def test_members_that_take_part_are_drawn_and_the_judge_never_is(tiny_run: RunFolder) -> None:
    memories = [paying(tiny_run, 0.0, always=value) for value in (1.0, 3.0, 100.0)]
    run = dreaming(tiny_run, memories, "controller.dream.judge=true", "controller.dream.members=random")
    params, tracks = np.zeros((4, 50)), np.arange(200).reshape(4, 50) + 2_000_000
    found = returns(rollouts(run).outcomes(params, tracks)) / DECISIONS
    assert found.min() > 1 - 1e-4
    assert found.max() < 3 + 1e-4
    assert found.mean() == pytest.approx(2, abs=4 / math.sqrt(200 * DECISIONS))
    judged = rollouts(run).validated(params[:1], np.array([VALIDATION_TRACKS[:3]]))
    assert returns(judged).tolist() == pytest.approx([100 * DECISIONS] * 3)


def test_validation_dreams_begin_where_m_was_not_fitted(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = dreaming(tiny_run, [paying(tiny_run, 1.0)])
    banks = []

    class Seen(DreamTracks):
        def __init__(self, members, world, config, num, *, bank, **rest) -> None:
            banks.append(members[0].moments.held_out[bank].tolist())
            super().__init__(members, world, config, num, bank=bank, **rest)

    monkeypatch.setattr("reverie.training.controller.dreams.DreamTracks", Seen)
    drives, params = rollouts(run), np.zeros((1, 50))
    drives.outcomes(params, np.array([[1_000_007]]))
    drives.validated(params, np.array([VALIDATION_TRACKS[:1]]))
    assert [set(bank) for bank in banks] == [{False}, {True}]


def test_who_runs_the_tasks_changes_nothing(tiny_run: RunFolder) -> None:
    torch.manual_seed(0)
    run = dreaming(tiny_run, [Memory(tiny_run.config.memory.model, 8, 3)], "controller.search.stall_decisions=2")
    params = np.random.default_rng(0).normal(size=(70, 50))
    tracks = np.repeat(np.arange(4)[None] + 1_000_000, 70, 0)  # 280 dreams: two tasks
    here = rollouts(run).outcomes(params, tracks, stall_decisions=2, max_decisions=4)
    workers = ProcessWorkers(2)
    try:
        there = rollouts(run, workers).outcomes(params, tracks, stall_decisions=2, max_decisions=4)
    finally:
        workers.close()
    assert here == there
    assert {one.decisions for one in here} <= {1, 2, 3, 4}
    assert len(np.unique(returns(here))) > 200


class Killed(BaseException):
    """Not an Exception, so that nothing tidies up after it."""


@pytest.mark.parametrize("kill", [1, 3])
def test_a_search_that_is_killed_goes_on_to_the_same_bytes(
    kill: int, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = dreaming(tiny_run, [paying(tiny_run, 10.0), paying(tiny_run, 8.0)], "controller.dream.judge=true")
    whole = RunFolder.open(shutil.copytree(run.path, tmp_path / "whole"))
    expected = search(whole)
    save, saves = Evolution.save, 0

    def dying(self: Evolution) -> None:
        nonlocal saves
        save(self)
        saves += 1
        if saves == kill:
            raise Killed

    monkeypatch.setattr(Evolution, "save", dying)
    monkeypatch.setattr(evolve, "SNAPSHOT_SECONDS", 0.0)
    with pytest.raises(Killed):
        search(run)
    monkeypatch.undo()
    again = RunFolder.open(run.path)
    found = search(again)
    assert again.controller.read_bytes() == whole.controller.read_bytes()
    for key in expected.keys() - {"hours", "seconds"}:
        np.testing.assert_array_equal(found[key], expected[key])
    mine, theirs = (checkpoint.load(of.evolution / "state.safetensors")[0] for of in (again, whole))
    assert all(mine[key].equal(tensor) for key, tensor in theirs.items())


def test_finals_on_the_road_and_drives_to_look_at_are_told_apart(tiny_run: RunFolder) -> None:
    run = dreaming(
        tiny_run,
        [paying(tiny_run, 10.0)],
        "controller.dream.road_tracks=1",
        "controller.search.finals.world=road",
        "controller.search.finals.finalists=1",
        "controller.search.generations=2",
    )
    log = search(run)
    facts = run.stage("controller")
    assert not np.isnan(log["eval_road_return"][-1])
    assert log["eval_road_return"][-1] != log["eval_mean_return"][-1]
    assert facts["measuring_frames"] == 24  # one evaluation, one track of 24 frames
    assert facts["selecting_frames"] == 24 * 2  # the one center, on two tracks
    assert facts["frames"] == 24 * 3
    assert facts["decisions"] == 6 * 3


@pytest.mark.parametrize(
    ("scores", "patience", "spent"),
    [
        ([], 1, False),
        ([5.0], 1, False),
        ([5.0, 4.0], 1, True),
        ([5.0, 4.0], 2, False),
        ([5.0, 4.0, 6.0], 2, False),
        ([5.0, 4.0, 5.0], 2, True),
        ([5.0, 4.0, 3.0, 2.0], 0, False),
    ],
)
def test_patience_is_a_matter_of_the_scores(scores: list[float], patience: int, spent: bool) -> None:
    assert is_spent(scores, patience) == spent


def test_a_bank_without_moments_to_validate_in_is_refused(tiny_run: RunFolder) -> None:
    run = dreaming(tiny_run, [paying(tiny_run, 1.0)])
    tensors, meta = checkpoint.load(run.dream)
    checkpoint.save(run.dream, tensors | {"held_out": torch.zeros(64, dtype=torch.bool)}, meta)
    with pytest.raises(
        UserError, match=r"dream.safetensors has no moment that M was not fitted on.*memory.dream_starts"
    ):
        rollouts(run)
    (run.path / "dream.1.safetensors").unlink(missing_ok=True)
    run.config = replace(run.config, memory=replace(run.config.memory, members=2))
    with pytest.raises(UserError, match=r"holds 1 of the 2 M's of its recipe: .*`reverie memory .* --again`"):
        rollouts(run)
