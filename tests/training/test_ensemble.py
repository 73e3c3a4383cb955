"""A run with several M's: how they are trained and kept, and that its dreams say what they doubt."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from reverie import checkpoint
from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.dream.dreamer import Dreamer, load_dreams
from reverie.dream.env import DreamEnv
from reverie.dream.moments import load_moments, save_moments
from reverie.dream.vector_env import DreamVectorEnv
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.files import load_memory, load_models, save_memory
from reverie.models.mdn_rnn import Memory
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.training.budget import budget
from reverie.training.memory import HELD_OUT_BATCHES, train_memory
from reverie.training.pipeline import run_stages
from reverie.types import LossAndMetrics, SequenceBatch


@pytest.fixture
def ensemble(tiny_run: RunFolder) -> RunFolder:
    """The tiny run with three M's."""
    tiny_run.forget("memory")
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, members=3))
    tiny_run.save_recipe(tiny_run.config)
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        train_memory(tiny_run, metrics, quiet=True)
    return tiny_run


def test_the_first_is_what_it_would_be_alone_and_the_others_differ(ensemble: RunFolder) -> None:
    files = {path.name: path.read_bytes() for path in ensemble.path.glob("memory*.safetensors")}
    names = {"memory.safetensors", "memory.1.safetensors", "memory.2.safetensors"}
    assert names <= set(files)
    assert len({files[name] for name in names}) == 3
    assert names | {"dream.1.safetensors"} <= set(ensemble.stage("memory")["files"])
    ensemble.forget("memory")
    assert not list(ensemble.path.glob("*.1.*"))
    ensemble.config = replace(ensemble.config, memory=replace(ensemble.config.memory, members=1))
    with Metrics(ensemble.path, tensorboard=False) as metrics:
        train_memory(ensemble, metrics, quiet=True)
    assert ensemble.memory.read_bytes() == files["memory.safetensors"]
    assert not load_dreams(ensemble.path).members


def test_each_member_begins_elsewhere_and_has_batches_of_its_own(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are measured on the same held-out episodes, so that their losses can be compared."""
    seen: dict[Memory, list[bytes]] = {}
    held_out: set[bytes] = set()
    original = Memory.loss

    def loss(self: Memory, batch: SequenceBatch) -> LossAndMetrics:
        if self.training:
            seen.setdefault(self, []).append(batch.z.numpy().tobytes())
        else:
            held_out.add(batch.z.numpy().tobytes())
        return original(self, batch)

    monkeypatch.setattr(Memory, "loss", loss)
    tiny_run.forget("memory")
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, members=3, eval_every=3))
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        train_memory(tiny_run, metrics, quiet=True)
    batches = list(seen.values())
    assert [len(of_one) for of_one in batches] == [6, 6, 6]
    assert len({batch for of_one in batches for batch in of_one}) == 18
    assert len(held_out) == HELD_OUT_BATCHES

    tiny_run.forget("memory")
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, steps=0))
    with Metrics(tiny_run.path, tensorboard=False) as metrics:
        train_memory(tiny_run, metrics, quiet=True)
    names = ("memory.safetensors", "memory.1.safetensors", "memory.2.safetensors")
    assert len({(tiny_run.path / name).read_bytes() for name in names}) == 3


def endless(*dreamers: Dreamer) -> None:
    """Only the limit ends these dreams: not M, and not the time of the episodes that they go on with."""
    for dreamer in dreamers:
        dreamer.moments.frames.zero_()
        for memory in (dreamer.memory, *(one.memory for one in dreamer.members)):
            memory.head.bias.data[-1] = -50.0


@pytest.mark.parametrize("members", ["first", "random"])
def test_a_dream_says_its_doubt(members: Literal["first", "random"], ensemble: RunFolder) -> None:
    env = DreamEnv(str(ensemble.path), members=members)
    row = DreamVectorEnv(str(ensemble.path), 1, members=members)
    endless(env.dreamer, row.dreamer)
    env.reset(seed=0)
    act = np.array([0.3, 1, 0], np.float32)
    doubt = [env.step(act)[4]["doubt"] for _ in range(3)]
    assert all(value > 0 for value in doubt)
    env.reset(seed=0)
    assert [env.step(act)[4]["doubt"] for _ in range(3)] == doubt
    row.reset(seed=0)
    assert [row.step(act[None])[4]["doubt"].tolist() for _ in range(3)] == [[value] for value in doubt]


def test_infos_are_laid_out_as_by_gymnasium_s_own_vector_environment(ensemble: RunFolder) -> None:
    run = str(ensemble.path)
    ours = DreamVectorEnv(run, 2, max_decisions=3)
    theirs = SyncVectorEnv([lambda: DreamEnv(run, max_decisions=3)] * 2)
    for env in (ours, theirs):
        assert env.reset(seed=0)[1] == {}
    endless(ours.dreamer, *(env.unwrapped.dreamer for env in theirs.envs))  # pyright: ignore[reportAttributeAccessIssue]
    ours._decisions[1] = 1  # so that each begins anew by itself
    theirs.envs[1].unwrapped._decisions = 1  # pyright: ignore[reportAttributeAccessIssue]
    act, masks = np.tile(np.array([0.3, 1, 0], np.float32), (2, 1)), []
    for _ in range(12):
        mine, expected = ours.step(act)[4], theirs.step(act)[4]
        assert mine.keys() == expected.keys()
        for key in mine:
            assert (mine[key].shape, mine[key].dtype) == (expected[key].shape, expected[key].dtype)
        np.testing.assert_array_equal(mine["_doubt"], expected["_doubt"])
        np.testing.assert_array_equal(mine["doubt"] > 0, mine["_doubt"])
        masks.append(tuple(mine["_doubt"].tolist()))
    assert {(True, True), (False, True), (True, False)} <= set(masks)
    ours.reset(seed=0)
    while not ours.step(act)[3].all():
        pass
    assert ours.step(act)[4] == {}  # all begin anew


def test_members_that_do_not_belong_together_are_refused(ensemble: RunFolder, tmp_path: Path) -> None:
    folder = ensemble.path
    assert len(load_dreams(folder).members) == 2

    def changed(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    bank_of_other = changed("bank")
    shutil.copy(folder / "dream.2.safetensors", bank_of_other / "dream.1.safetensors")
    with pytest.raises(UserError, match=r"dream\.1\.safetensors was made with another M than"):
        load_dreams(bank_of_other)
    missing = changed("missing")
    (missing / "memory.1.safetensors").unlink()
    with pytest.raises(UserError, match=r"memory\.1\.safetensors does not exist"):
        load_dreams(missing)
    other_v = changed("vision")
    path = other_v / "memory.1.safetensors"
    save_memory(path, load_memory(path), vision_sha256="0" * 64)
    with pytest.raises(UserError, match=r"memory\.1\.safetensors learned from another V than \S*vision\.safetensors"):
        load_dreams(other_v)
    load_models(other_v)  # who drives needs the first alone
    elsewhere = changed("moments")
    moments, world = load_moments(elsewhere / "dream.1.safetensors", elsewhere / "memory.1.safetensors")
    save_moments(
        elsewhere / "dream.1.safetensors", replace(moments, z=moments.z + 1), world, elsewhere / "memory.1.safetensors"
    )
    with pytest.raises(UserError, match=r"dream\.1\.safetensors is of another ensemble than \S*dream\.safetensors"):
        load_dreams(elsewhere)


def test_every_member_costs_as_much() -> None:
    one, three = (budget(settings.load("debug", [f"memory.members={num}"])) for num in (1, 3))
    assert three == one | {"memory_timesteps": 3 * one["memory_timesteps"]}


def test_an_ensemble_is_listed(ensemble: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(ensemble.path), "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("memory.safetensors", "memory.1.safetensors", "memory.2.safetensors"):
        assert any(f"{file_sha256(ensemble.path / name)[:12]}  {name}" in line for line in lines)


def test_a_finished_ensemble_goes_on(ensemble: RunFolder) -> None:
    names = [f"memory{part}" for part in ("", ".1", ".2")]
    before = {name: (ensemble.path / f"{name}.safetensors").read_bytes() for name in names}
    steps = ensemble.config.memory.steps
    run_stages(ensemble, ("memory",), more=steps, quiet=True)
    again = RunFolder.open(ensemble.path)
    assert (again.config.memory.steps, again.config.memory.members) == (2 * steps, 3)
    for name in names:
        assert checkpoint.load(again.path / f"{name}.optimizer.safetensors")[1]["step"] == 2 * steps
        assert (again.path / f"{name}.safetensors").read_bytes() != before[name]
    again.verify("memory")
    assert len(load_dreams(again.path).members) == 2
