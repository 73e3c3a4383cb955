"""Worlds of well-kept packages, by their names alone: every stage of recipe debug, and a film."""

from pathlib import Path

import numpy as np
import pytest

from reverie.actions import BoxActions, Categories
from reverie.data.store import EpisodeStore
from reverie.envs import EnvConfig, make_vector_env, spec_of
from reverie.envs.config import RENDERED
from reverie.envs.picture import to_64
from reverie.envs.registry import make_env
from reverie.errors import UserError
from reverie.models.files import load_controller
from reverie.run.folder import RunFolder
from tests.cli.conftest import reverie

SMALL = ("vision.epochs=1", "controller.search.generations=2", "env.max_frames=60", "collect.steps=10")
WORLDS = {
    "minigrid": (
        ("env.id=minigrid:MiniGrid-DoorKey-5x5-v0", f"env.picture={RENDERED}", "env.action_repeat=1"),
        Categories(sizes=(7,), first=(0,)),
    ),
    "ale_py": (
        ("env.id=ale_py:ALE/Breakout-v5", "env.kwargs.continuous=true", 'env.kwargs.obs_type="grayscale"'),
        BoxActions(low=(0.0, -float(np.float32(np.pi)), 0.0), high=(1.0, float(np.float32(np.pi)), 1.0), shape=(3,)),
    ),
}


@pytest.mark.parametrize("package", WORLDS)
def test_a_world_of_a_package_goes_from_its_name_to_a_film(package: str, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"needs `pip install {package.replace('_', '-')}`, which the extra dev has")
    settings, actions = WORLDS[package]
    path = tmp_path / "run"
    sets = [word for setting in (*settings, *SMALL) for word in ("--set", setting)]
    done = reverie("train", "debug", "--run", path, "--quiet", *sets)
    assert done.returncode == 0, done.stderr
    run = RunFolder.open(path)
    assert run.is_done("pictures")
    assert load_controller(run.controller)[0].actions == actions
    seen = EpisodeStore(run.rollouts)[0].obs
    assert seen.std() > 5, "there is something to see"
    assert all(reverie(*words, "--quiet").returncode == 0 for words in (("watch", path), ("dream", path)))
    assert (run.videos / "track_0.mp4").stat().st_size > 5000
    refused = reverie("watch", path, "--window", "--quiet")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("CartPole-v1", Categories(sizes=(2,), first=(0,))),
        ("Pendulum-v1", BoxActions(low=(-2,), high=(2,), shape=(1,))),
    ],
)
def test_what_a_world_draws_for_people_can_be_what_is_seen(name: str, actions: BoxActions | Categories) -> None:
    """Gymnasium's own classics, whose observations are numbers."""
    config = EnvConfig(id=name, picture=RENDERED, action_repeat=3)
    assert spec_of(config).actions == actions
    ours, theirs = make_vector_env(config, 1), make_env(config)
    obs = ours.reset([0], [5])
    theirs.reset(seed=5)
    np.testing.assert_array_equal(obs[0], to_64(np.asarray(theirs.render())))
    act = actions.at_random(np.full((1, actions.num_noise), 0.3))
    step = ours.step([0], act)
    rewards = [float(theirs.step(actions.to_env(act)[0])[1]) for _ in range(3)]
    assert step.rew[0] == pytest.approx(sum(rewards))
    np.testing.assert_array_equal(step.obs[0], to_64(np.asarray(theirs.render())))
    assert (step.obs != obs).any()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (EnvConfig(id="CartPole-v1"), r"Box of shape \(4,\).*set env.picture = 'render\(\)' to see what it draws"),
        (EnvConfig(id="CartPole-v1", picture=RENDERED, kwargs={"render_mode": "human"}), "renders a NoneType"),
        (EnvConfig(picture=RENDERED), "what is seen of CarRacing-v3 is known: leave it empty"),
        (EnvConfig(picture="camera"), "what is seen of CarRacing-v3 is known: leave it empty"),
    ],
)
def test_what_cannot_be_rendered_is_said_in_one_line(
    config: EnvConfig, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.raises(UserError, match=words) as caught:
        spec_of(config)
    assert "\n" not in str(caught.value)
