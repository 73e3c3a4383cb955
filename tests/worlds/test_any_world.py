"""Worlds that nobody knew: from `module:id` to a film, with pictures and actions of every kind."""

import ast
import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import reverie
from reverie.actions import BoxActions, Categories
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.dream.env import DreamEnv
from reverie.dream.moments import load_moments
from reverie.envs import EnvConfig, make_vector_env, spec_of
from reverie.envs.spec import EnvSpec
from reverie.errors import UserError
from reverie.models.files import load_controller, load_memory
from reverie.play.session import Session
from reverie.policies import AgentPolicy
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.world import check_same_world
from reverie.show.dream_film import make_film
from reverie.show.episode_film import record
from reverie.training.controller.rollouts import agent_of
from reverie.training.pipeline import evaluate_run, run_stages
from reverie.workers.inline import InlineWorkers

HERE = Path(__file__).parent
SMALL = ("vision.epochs=1", "controller.generations=2", "env.max_frames=60", "collect.steps=10")
WORLDS = {
    "TinyPix": (0, BoxActions(low=(-2.0, 0.0), high=(2.0, 10.0), shape=(2,))),
    "TinyChoice": (1, Categories(sizes=(3,), first=(0,))),
}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture(scope="module", params=WORLDS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of recipe debug in a world, in this process or in one worker process, every stage done."""
    workers = WORLDS[request.param][0]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        config = settings.load("debug", [f"env.id=tinypix:{request.param}-v0", f"workers={workers}", *SMALL])
        run = RunFolder.create(tmp_path_factory.mktemp("worlds") / request.param, config)
        run_stages(run, quiet=True)
    return RunFolder.open(run.path)


def kind(run: RunFolder) -> str:
    return run.path.name


def test_every_stage_runs_and_says_what_can_be_done(run: RunFolder) -> None:
    actions = WORLDS[kind(run)][1]
    assert all(run.is_done(stage) for stage in ("collect", "memory", "controller", "evaluate", "pictures"))
    assert load_controller(run.controller)[0].actions == actions
    assert load_memory(run.memory).action_size == actions.size
    world = load_moments(run.dream, run.memory)[1]
    assert (world.actions, world.frames_per_second) == (actions, 25 if kind(run) == "TinyPix" else 30)
    act = LatentStore(run.latents).act
    if isinstance(actions, Categories):
        np.testing.assert_array_equal(np.sort(act, 1), [[0, 0, 1]] * len(act))
        assert act.any(0).all(), "chance takes every category"
    else:
        assert np.abs(act).max() <= 1
        assert act.std(0).min() > 0.3
    obs = EpisodeStore(run.rollouts)[0].obs
    assert len(np.unique(obs)) > 2
    np.testing.assert_array_equal(obs[..., 0], obs[..., 2])


def test_returns_are_exact_on_their_way_to_a_rank(run: RunFolder) -> None:
    """A pixel of these worlds is worth 0.00001."""
    state = json.loads((run.evolution / "state.json").read_text())["meta"]
    evaluated = [row["eval_mean_return"] for row in state["history"] if row["eval_mean_return"] is not None]
    assert any(evaluated) or (evaluated and kind(run) == "TinyChoice")  # where standing still is what C begins with
    assert all(score != round(score, 3) for score in evaluated if score)
    evaluation = evaluate_run(run, InlineWorkers(), num_tracks=4, first_seed=0, quiet=True)
    assert evaluation.mean == pytest.approx(np.mean(evaluation.returns), rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")  # the real one's is not either
def test_the_dream_has_the_world_s_actions(run: RunFolder) -> None:
    env = DreamEnv(str(run.path), observation="frame")
    assert env.action_space == gymnasium.make(f"{kind(run)}-v0").action_space
    check_env(env, skip_render_check=True)
    vector = gymnasium.make_vec("reverie.dream:reverie/Dream-v0", num_envs=3, run=str(run.path))
    vector.reset(seed=0)
    assert vector.step(vector.action_space.sample())[0].shape == (3, 8)


def test_it_can_be_watched_and_dreamt_and_played(run: RunFolder, tmp_path: Path) -> None:
    agent, params = agent_of(run)
    drive = record(tmp_path / "a.mp4", AgentPolicy(agent, params[None]), run.config.env, 3, title="test", quiet=True)
    assert (tmp_path / "a.mp4").stat().st_size > 1000
    evaluation = evaluate_run(run, InlineWorkers(), num_tracks=1, first_seed=3, quiet=True)
    assert drive.ret == pytest.approx(evaluation.mean, abs=1e-9)
    film = make_film(agent, params, run.config.env, track=3, decisions=5, temperature=1.0, seed=0)
    assert film.own.shape == (6, 64, 64, 3)
    session = Session(agent, params, None, run.config.env)
    session.advance(session.act)
    session.press("switch")
    session.press("autopilot")
    session.advance(session.act)
    assert session.score.decisions == 1


def test_the_truth_is_not_known_of_it(run: RunFolder) -> None:
    from reverie.measure.truth.judges import load_judges
    from reverie.studies.compare import compare_runs
    from reverie.studies.dream_truth import measure_truth
    from reverie.studies.inspect import inspect_run

    where, by_one = {"tracks": 2, "quiet": True}, {"workers": lambda: nullcontext(InlineWorkers())}
    dreams = {"drives": 2, "controllers": 4, "above": 0.0, "seed": 0, "test": False}
    for measure in (
        lambda: compare_runs([run], load_judges(), run.path / "x", split="validation", **by_one, **where),
        lambda: inspect_run(run, load_judges(), run.path / "x", **where),
        lambda: measure_truth(run, InlineWorkers(), driver=run, **dreams, **where),
    ):
        with pytest.raises(UserError, match=r"was trained on tinypix:.*only CarRacing-v3 says what is true"):
            measure()
    assert not (run.path / "x").exists()


UNFIT = {
    "no pixels": r"shows no picture: its observation is a Box of shape \(4,\)",
    "four channels": r"a Box of shape \(8, 8, 4\), not \(height, width\), .* or \(height, width, 3\)",
    "floats": "a Box of float32, not of uint8",
    "a number": "its observation is a Discrete",
    "no picture in it": "none of 'gear', 'speed' is",
    "two pictures": "shows several pictures: choose one of 'left', 'right' as env.picture",
    "no bounds": "takes actions without bounds: register it in a wrapper",
    "whole numbers": r"actions of a Box \(2,\) of int64",
    "words": "takes actions of a Text",
    "two spaces": "takes actions of a Tuple",
}


@pytest.mark.parametrize("why", UNFIT)
def test_unfit_spaces_are_refused_before_anything_is_written(why: str, tmp_path: Path) -> None:
    config = settings.load("debug", ["env.id=tinypix:Unfit-v0", f'env.kwargs.why="{why}"'])
    with pytest.raises(UserError, match=UNFIT[why]) as caught:
        RunFolder.create(tmp_path / "run", config)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["collect.policy=walk"], "collect.policy = 'walk' knows how to act in CarRacing-v3 only, not in tinypix"),
        (
            ["collect.policy=mixed"],
            "collect.policy = 'menu' knows how to act in CarRacing-v3 or VizdoomTakeCover-v1 only",
        ),
        (["collect.starts=random"], "collect.starts = 'random' needs CarRacing-v3"),
        (["env.kwargs.wings=3"], "cannot be made with env.kwargs = {'wings': 3}"),
        (["env.picture=camera"], "has no Dict of observations"),
        (["collect.agent=pretrained"], "drives CarRacing-v3 with env.action_repeat = 4, not tinypix:TinyPix-v0"),
    ],
)
def test_what_does_not_fit_the_world_is_refused_before_anything_is_written(
    overrides: list[str], words: str, tmp_path: Path
) -> None:
    config = settings.load("debug", ["env.id=tinypix:TinyPix-v0", *overrides])
    with pytest.raises(UserError, match=words) as caught:
        RunFolder.create(tmp_path / "run", config)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_drivers_of_a_car_with_pedals_are_refused_where_it_has_categories(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'menu' steers and has pedals"):
        RunFolder.create(tmp_path / "run", settings.load("debug", ["env.kwargs.continuous=false"]))


def test_a_recipe_fits_another_world_than_its_own() -> None:
    own, other = settings.load("standard"), settings.load("standard", ["env.id=TinyPix-v0"])
    assert (own.collect.policy, own.collect.starts, own.memory.model.reward.scale) == ("walk", "random", 10)
    assert (other.collect.policy, other.collect.starts, other.memory.model.reward.scale) == ("random", "line", 1)
    asked = settings.load("standard", ["env.id=TinyPix-v0", "collect.policy=walk", "memory.model.reward.scale=3"])
    assert (asked.collect.policy, asked.memory.model.reward.scale) == ("walk", 3)
    same = settings.load("standard", ["env.id=reverie/CarRacing-v3"])
    assert same == own
    assert settings.load("paper", ["env.id=TinyPix-v0"]).collect.policy == "networks"
    elsewhere = settings.load("dream", ["env.id=TinyPix-v0"]).rounds
    assert (elsewhere.failures, elsewhere.beside) == (0, 0)
    assert elsewhere.num == settings.load("dream").rounds.num


def test_the_world_says_the_scale_of_rewards_where_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"seed": 1, "doom": 4, "doom_paper": 1}
    for recipe in settings.names():
        expected = said.get(recipe, spec_of(EnvConfig()).reward_scale)
        assert settings.load(recipe).memory.model.reward.scale == expected
    assert spec_of(EnvConfig()).reward_scale == 10
    assert settings.load("debug", ["memory.model.reward.scale=3"]).memory.model.reward.scale == 3
    monkeypatch.setattr("reverie.envs.car_racing.spec.REWARD_SCALE", 7.0)
    assert settings.load("debug").memory.model.reward.scale == 7
    assert settings.load("debug", ["env.id=TinyPix-v0"]).memory.model.reward.scale == 1
    assert settings.load("debug", ["env.id=TinyPix-v0", "env.id=CarRacing-v3"]).memory.model.reward.scale == 7


@pytest.mark.parametrize("override", ["memory=3", "memory.model=3", "memory.model.reward=3", "collect=3"])
@pytest.mark.parametrize("world", ["CarRacing-v3", "TinyPix-v0"])
def test_a_value_in_the_place_of_a_section_is_named(override: str, world: str) -> None:
    with pytest.raises(UserError, match=rf"recipe debug: {override[:-2]}: .*dictionary"):
        settings.load("debug", [f"env.id={world}", override])


def test_kwargs_are_kept_and_make_another_world(tmp_path: Path) -> None:
    config = settings.load("debug", ["env.id=tinypix:TinyPix-v0", "env.kwargs.speed=0.5"])
    run = RunFolder.create(tmp_path / "run", config)
    again = RunFolder.open_or_create(run.path, None, [])
    assert again.config.env.kwargs == {"speed": 0.5}
    with pytest.raises(UserError, match=r"was made with env\.kwargs\.speed = 0\.5, not 1"):
        RunFolder.open_or_create(run.path, None, ["env.kwargs.speed=1"])
    slow, fast = (make_vector_env(EnvConfig(id="tinypix:TinyPix-v0", kwargs={"speed": s}), 1) for s in (0.1, 0.5))
    act = np.array([[1.0, 0.0]], np.float32)
    rewards = []
    for env in (slow, fast):
        env.reset([0], [0])
        rewards.append(env.step([0], act).rew[0])
    assert rewards[1] == pytest.approx(5 * rewards[0])
    other = replace(config, env=replace(config.env, kwargs={"speed": 1.0}))
    with pytest.raises(UserError, match=r"env.kwargs = {'speed': 1.0}, not tinypix.* env.kwargs = {'speed': 0.5}"):
        check_same_world(config, other, "x")
    check_same_world(config, replace(config, env=replace(config.env, id="TinyPix-v0")), "x")


def test_a_picture_is_chosen_by_its_key() -> None:
    for key in ("left", "right"):
        config = EnvConfig(id="tinypix:Unfit-v0", kwargs={"why": "two pictures"}, picture=key)
        assert spec_of(config).picture.key == key
    for key, words in (("middle", "has no 'middle' in its observations, only 'left', 'right'"), ("gear", "no picture")):
        why = "two pictures" if key == "middle" else "no picture in it"
        with pytest.raises(UserError, match=words):
            spec_of(EnvConfig(id="tinypix:Unfit-v0", kwargs={"why": why}, picture=key))


def test_what_counts_as_progress_is_the_world_s_word() -> None:
    rew, ret, best = np.array([-1.0, 0.5, 2.0]), np.array([-1.0, -0.5, 3.0]), np.array([0.0, 0.0, 1.0])
    expected = {"positive_reward": [False, True, True], "best_return": [False, False, True], "always": [True] * 3}
    for word, answer in expected.items():
        spec = spec_of(EnvConfig(id="tinypix:TinyPix-v0", progress=word))  # pyright: ignore[reportArgumentType]
        assert spec.progressed(rew, ret, best).tolist() == answer
    assert spec_of(EnvConfig(id="tinypix:TinyPix-v0")).progress == "always"
    assert spec_of(EnvConfig()).progress == "positive_reward"
    assert isinstance(spec_of(EnvConfig()), EnvSpec)


def test_only_envs_name_an_environment() -> None:
    """Words for people may, so may what is said of the paper, and what builds CarRacing for the page."""
    package = Path(reverie.__file__).parent
    free = (package / "envs", package / "reference", package / "web" / "native" / "road")
    for path in sorted(package.rglob("*.py")):
        if any(path.is_relative_to(folder) for folder in free):
            continue
        tree = ast.parse(path.read_text())
        strings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in strings:
                assert not re.search(r"CarRacing|TakeCover", node.value), f"{path}, line {node.lineno}: {node.value}"
            if isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                assert not re.search(r"CarRacing|TakeCover", name), f"{path}, line {node.lineno}: {name}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                assert not re.search(r"car_racing|take_cover|vizdoom", " ".join(names)), f"{path}, line {node.lineno}"
