"""What C is given along drives, and the C that does what another agent would do."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.agent import Agent
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import load_controller, load_memory, load_models
from reverie.models.mdn_rnn import Memory, MemoryConfig
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.seeding import torch_seeded
from reverie.training.controller.imitation import (
    LatentEpisode,
    actions_of,
    imitated,
    latent_episodes,
    sights_of,
    some_episodes,
)
from reverie.training.controller.search import Evolution, search_space
from reverie.training.controller.search_space import SearchSpace, principal_basis


def made_up(lengths: Sequence[int], z: int = 4) -> list[LatentEpisode]:
    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng)

    return [LatentEpisode(normal(t, z), normal(t, 3), normal(t)) for t in lengths]


@pytest.mark.parametrize("layers", [1, 2])
def test_sights_are_what_m_remembers_before_each_decision(layers: int) -> None:
    with torch_seeded(0, "sights"):
        memory = Memory(MemoryConfig(hidden_size=6, num_layers=layers, reward_input=True), 4, 3)
    drives = made_up([5, 1, 70, 3])
    sights = sights_of(memory, drives)
    assert sights.z.shape == (79, 4)
    assert sights.state.c.shape == (79, layers, 6)
    seen = [(tuple(z.tolist()), h) for z, h in zip(sights.z, sights.state.top, strict=True)]
    before = dict(seen)
    for drive in drives:
        rew = torch.cat([torch.zeros(1), drive.rew[:-1]])
        with torch.inference_mode():
            hidden, _ = memory(drive.z[None], drive.act[None], rew[None])
        expected = torch.cat([torch.zeros(1, 6), hidden[0, :-1]])
        for z, h in zip(drive.z, expected, strict=True):
            torch.testing.assert_close(before[tuple(z.tolist())], h)


def test_encoded_episodes_are_the_drives(tiny_run: RunFolder) -> None:
    latents, store = LatentStore(tiny_run.latents), EpisodeStore(tiny_run.rollouts)
    assert some_episodes(latents) == list(range(len(latents)))
    for i, drive in enumerate(latent_episodes(latents, range(len(latents)))):
        np.testing.assert_array_equal(drive.act, store[i].act)
        np.testing.assert_array_equal(drive.rew, store[i].rew)
        np.testing.assert_array_equal(drive.z, latents.mu[13 * i : 13 * i + 12])


def test_an_agent_says_what_it_would_have_done(tiny_run: RunFolder) -> None:
    store = EpisodeStore(tiny_run.rollouts)
    said = actions_of(tiny_run, store, [2, 7]).reshape(12, 2, 3)  # of episodes of one length, decision by decision
    controller, params = load_controller(tiny_run.controller)
    agent = Agent(*load_models(tiny_run.path), controller, tiny_run.config.agent)
    for column, episode in enumerate([store[2], store[7]]):
        state = agent.initial_state(1)
        for t in range(12):
            rew = np.array([episode.rew[t - 1] if t else 0.0])
            act, _ = agent.act(episode.obs[t : t + 1], rew, torch.from_numpy(params)[None], state)
            np.testing.assert_allclose(said[t, column], act[0], atol=1e-4)
            with torch.inference_mode():  # but it goes on with what was done
                z = agent.encode(torch.from_numpy(episode.obs[t : t + 1]))
                done = torch.from_numpy(episode.act[t : t + 1])
                state = agent.memory.step(z, done, state, torch.from_numpy(rew).float())


@pytest.mark.parametrize("shape", [ControllerConfig(action="steer_pedal"), ControllerConfig(hidden_size=4, inputs="z")])
@pytest.mark.parametrize("directions", [0, 10])
def test_it_finds_a_controller_that_is_within_reach(shape: ControllerConfig, directions: int) -> None:
    with torch_seeded(0, "teacher"):
        memory = Memory(MemoryConfig(hidden_size=6), 4, 3)
    sights = sights_of(memory, made_up([100] * 20))
    controller, rng = Controller(shape, 4, 6), torch.Generator().manual_seed(1)
    teacher = torch.randn(controller.num_params, generator=rng)
    act = controller.act(teacher.expand(len(sights.z), -1), *sights)
    space = SearchSpace(origin=np.zeros(controller.num_params))
    if directions:
        basis = principal_basis(controller, controller.inputs(*sights).numpy(), directions)
        space = replace(space, basis=basis)
    params, error = imitated(controller, space, sights, act, rng)
    assert error < 0.05
    done = controller.act(torch.from_numpy(params).float().expand(len(act), -1), *sights)
    assert float((done - act).square().mean() / act.var(0).mean()) == pytest.approx(error, rel=1e-3)
    if not shape.hidden_size:
        lazy = imitated(controller, space, sights, torch.zeros_like(act) + act.mean(0), rng)[0]
        assert np.abs(lazy).max() < 0.5 * np.abs(params).max(), "what does not vary asks for no weights"


def student_of(teacher: RunFolder, path: Path, *overrides: str) -> RunFolder:
    """A run with the teacher's files, in whose collecting it is said to have taken part."""
    given = ["env.max_frames=24", f"collect.agent={teacher.path}", *overrides]
    run = RunFolder.create(path, settings.load("debug", given))
    left = shutil.ignore_patterns("recipe.toml", "manifest.json", "evolution")
    shutil.copytree(teacher.path, path, dirs_exist_ok=True, ignore=left)
    run.manifest["stages"] = teacher.manifest["stages"]
    run.write_manifest()
    return run


def test_a_search_begins_like_its_teacher(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = student_of(
        tiny_run, tmp_path / "student", "controller.search.start.imitate=true", "controller.search.start.directions=4"
    )
    shape, theirs = load_controller(tiny_run.controller)
    space = search_space(run, shape)
    assert space.num_coordinates == 2 * 5
    sights = sights_of(load_memory(run.memory), latent_episodes(LatentStore(run.latents), range(10)))
    act = shape.act(torch.from_numpy(theirs).expand(len(sights.z), -1), *sights)
    done = shape.act(torch.from_numpy(space.params(np.zeros((1, 10)))).float().expand(len(act), -1), *sights)
    assert float((done - act).square().mean()) < 0.2 * float((act - act.mean(0)).square().mean())


def test_the_space_is_kept_with_the_search(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = student_of(
        tiny_run, tmp_path / "student", "controller.search.start.imitate=true", "controller.search.start.directions=4"
    )
    shape = load_controller(tiny_run.controller)[0]
    evolution = Evolution(run, shape)
    evolution.save()
    shutil.rmtree(run.latents)
    again = Evolution(run, shape)
    np.testing.assert_array_equal(again.space.origin, evolution.space.origin)
    assert evolution.space.basis is not None
    np.testing.assert_array_equal(again.space.basis, evolution.space.basis)
    np.testing.assert_array_equal(again.params_after([0])[0], evolution.space.origin)


def test_what_is_said_of_it_is_no_result(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = student_of(tiny_run, tmp_path / "student", "controller.search.start.imitate=true")
    run.forget("controller")
    search_space(run, load_controller(tiny_run.controller)[0], quiet=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert f"controller: C begins as a copy of {tiny_run.path} (" in said.err


def test_nobody_to_imitate() -> None:
    with pytest.raises(UserError, match=r"^controller\.search\.start\.imitate: nobody to imitate"):
        settings.load("debug", ["controller.search.start.imitate=true"])


def test_two_ways_to_begin_are_one_too_many() -> None:
    with pytest.raises(UserError, match=r"init_from and imitate, two ways"):
        settings.load(
            "debug",
            ["controller.search.start.imitate=true", "controller.search.start.init_from=x", "collect.agent=pretrained"],
        )
