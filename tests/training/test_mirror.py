"""Half of what M learns from is seen in a mirror."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from reverie.data.batches import SequenceSampler
from reverie.data.latents import MIRRORED, LatentStore
from reverie.data.store import EpisodeStore
from reverie.dream.moments import context_of, make_moments
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.models.coding import encode as encode_frames
from reverie.models.files import load_memory, load_vision
from reverie.run.folder import RunFolder
from reverie.training.encode import encode
from reverie.training.vision import in_a_mirror


@pytest.fixture
def mirrored(tiny_run: RunFolder) -> RunFolder:
    """The tiny run, encoded with a mirror."""
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, mirror=True))
    shutil.rmtree(tiny_run.latents)
    encode(tiny_run, quiet=True)
    return tiny_run


def test_frames_are_encoded_as_a_mirror_shows_them_with_actions_to_match(mirrored: RunFolder) -> None:
    latents, store, vision = (
        LatentStore(mirrored.latents),
        EpisodeStore(mirrored.rollouts),
        load_vision(mirrored.vision),
    )
    other = latents.mirrored
    assert (other.offsets == latents.offsets).all()
    assert (other.rew == latents.rew).all()
    assert (other.end == latents.end).all()
    assert (other.act == latents.act * np.array([-1, 1, 1], np.float32)).all()
    assert np.abs(other.act[:, 0]).max() > 0
    for i in range(len(store)):
        seen, _ = encode_frames(vision.eval(), store[i].obs[:, :, ::-1].copy(), batch=None, precision="fp32")
        np.testing.assert_allclose(other.of_episode(i)[0], seen, atol=2e-2)
    assert {"latents/meta.json", "latents/mirrored/meta.json"} <= mirrored.stage("encode")["files"].keys()


def test_half_of_the_sequences_come_from_the_mirror_whole(mirrored: RunFolder) -> None:
    latents = LatentStore(mirrored.latents)
    plain, half = (SequenceSampler(latents, 400, 2, seed=3, mirror=mirror).batch(0) for mirror in (False, True))
    turned = (half.act[..., 0] == -plain.act[..., 0]) & (plain.act[..., 0] != 0)
    same = (half.act[..., 0] == plain.act[..., 0]) & (plain.act[..., 0] != 0)
    assert not (turned.any(1) & same.any(1)).any(), "a sequence is seen in the mirror, or it is not"
    assert 0.4 < turned.any(1).sum() / (turned.any(1) | same.any(1)).sum() < 0.6
    assert torch.equal(half.rew, plain.rew)
    assert torch.equal(half.act[..., 1:], plain.act[..., 1:])


def test_every_other_moment_is_one_of_the_mirror(mirrored: RunFolder) -> None:
    latents, memory = LatentStore(mirrored.latents), load_memory(mirrored.memory)
    repeat = mirrored.config.env.action_repeat
    drawn = [
        make_moments(memory, latents, 30, 5, context_of(latents), action_repeat=repeat, mirror=mirror)
        for mirror in (False, True)
    ]
    plain, half = drawn
    assert len(half) == 30
    assert torch.equal(half.z[:15], plain.z[::2])
    assert torch.equal(half.earned[15:], plain.earned[1::2])
    assert torch.equal(half.held_out[15:], plain.held_out[1::2])
    known = {tuple(row) for row in latents.mirrored.mu.astype(np.float32).tolist()}
    assert all(tuple(row) in known for row in half.z[15:].tolist())


def test_latents_of_a_mirror_that_nobody_wants_any_more_go(mirrored: RunFolder) -> None:
    mirrored.config = replace(mirrored.config, memory=replace(mirrored.config.memory, mirror=False))
    encode(mirrored, quiet=True)
    assert not (mirrored.latents / MIRRORED).exists()
    assert "latents/mirrored/meta.json" not in mirrored.stage("encode")["files"]
    with pytest.raises(UserError, match="mirrored holds no complete latents"):
        _ = LatentStore(mirrored.latents).mirrored


def test_damage_in_the_mirror_is_found(mirrored: RunFolder) -> None:
    path = mirrored.latents / MIRRORED / "mu.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"mirrored/mu\.npy is damaged"):
        LatentStore(mirrored.latents).verify()


@pytest.mark.parametrize(("continuous", "moves"), [(True, {0: -1}), (False, {})])
def test_a_mirror_of_a_mirror_is_the_world(continuous: bool, moves: dict[int, int]) -> None:
    mirror = spec_of(EnvConfig(id="CarRacing-v3", kwargs={"continuous": continuous})).mirror
    assert mirror
    act = np.random.default_rng(0).standard_normal((7, 3 if continuous else 5)).astype(np.float32)
    there = mirror.of(act)
    assert there.dtype == np.float32
    assert (mirror.of(there) == act).all()
    if moves:
        assert (there == act * np.array([-1, 1, 1], np.float32)).all()
    else:
        assert (there == act[:, [0, 2, 1, 3, 4]]).all(), "right and left change places"


def test_a_world_whose_mirror_nobody_knows_is_refused(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_run.config = replace(tiny_run.config, memory=replace(tiny_run.config.memory, mirror=True))
    unknown = replace(spec_of(tiny_run.config.env), mirror=None)
    monkeypatch.setattr("reverie.training.encode.spec_of", lambda _: unknown)
    with pytest.raises(UserError, match=r"^memory\.mirror: nobody knows what the actions of 'CarRacing-v3'"):
        encode(tiny_run, quiet=True)


def test_v_sees_some_frames_in_a_mirror_and_the_others_as_they_are() -> None:
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8))
    found = in_a_mirror(frames, torch.tensor([True, False, False, True]))
    for i, columns in enumerate((slice(None, None, -1), slice(None), slice(None), slice(None, None, -1))):
        np.testing.assert_array_equal(found[i].numpy(), frames[i].numpy()[:, columns])
