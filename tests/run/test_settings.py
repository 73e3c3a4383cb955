"""Recipes: all of them load, carry the published numbers, and say plainly what is wrong with a bad one."""

from dataclasses import asdict
from pathlib import Path

import pytest

from reverie.errors import UserError
from reverie.run import settings
from reverie.training.budget import budget, parameter_counts
from reverie.training.controller.finals import num_finalists
from reverie.training.controller.forecast import num_evaluations


def test_the_default_comes_first_and_all_are_there() -> None:
    assert settings.names()[:7] == ["quick", "standard", "marathon", "dream", "paper", "seed", "vae_gan"]
    assert set(settings.names()) >= {"debug"}


@pytest.mark.parametrize("name", settings.names())
def test_every_recipe_loads_and_is_called_like_its_file(name: str, tmp_path: Path) -> None:
    config = settings.load(name)
    assert config.name == name
    settings.save(config, tmp_path / "saved.toml")
    assert settings.load(str(tmp_path / "saved.toml")) == config
    cost = budget(config)
    assert cost["controller_frames"] + cost["dreamt_decisions"] > 0


def test_the_paper_has_the_paper_s_parameter_counts() -> None:
    assert parameter_counts(settings.load("paper")) == {"vision": 4_348_547, "memory": 422_368, "controller": 867}


def test_the_paper_s_dream_has_the_paper_s_parameter_counts() -> None:
    counts = {"vision": 4_446_915, "memory": 1_678_785, "controller": 1_088}
    assert parameter_counts(settings.load("doom_paper")) == counts


def test_the_paper_s_dream_s_hyperparameters() -> None:
    config = settings.load("doom_paper")
    assert (config.env.action_repeat, config.env.max_frames) == (1, 2100)
    assert (config.collect.episodes, config.collect.steps, config.collect.hold) == (10_000, 2100, 10)
    assert (config.vision.net.z_size, config.vision.epochs, config.vision.fit.learning_rate) == (64, 10, 1e-4)
    assert (config.memory.model.hidden_size, config.memory.model.end_head, config.memory.length) == (512, True, 499)
    controller, search = config.controller, config.controller.search
    assert (controller.world, controller.dream.temperature, controller.dream.decisions) == ("dream", 1.15, 2100)
    assert (controller.model.inputs, controller.model.bias) == ("zhc", False)
    assert (search.strategy.cma.population, search.tracks.num) == (64, 16)


def test_directions_take_a_bias() -> None:
    with pytest.raises(UserError, match="directions centres what C reads"):
        settings.load("doom_paper", ["controller.search.start.directions=8"])


def test_the_paper_s_hyperparameters() -> None:
    config = settings.load("paper")
    assert (config.collect.episodes, config.collect.steps, config.collect.policy) == (10_000, 1000, "networks")
    assert (config.vision.epochs, config.vision.fit.batch_size, config.vision.fit.learning_rate) == (10, 100, 1e-4)
    assert (config.vision.vae.reconstruction, config.vision.vae.kl_tolerance) == ("sum", 0.5)
    memory = config.memory
    assert (memory.steps, memory.length, memory.fit.batch_size) == (4000, 999, 100)
    assert (memory.fit.learning_rate, memory.fit.clip) == (1e-3, 1.0)
    search = config.controller.search
    assert (search.strategy.cma.population, search.strategy.cma.sigma, search.tracks.num) == (64, 0.1, 16)
    assert search.finals.eval_every == 25
    assert config.env.action_repeat == 1


def test_the_seed_s_hyperparameters() -> None:
    config = settings.load("seed")
    collect = config.collect
    assert (collect.episodes, collect.steps, collect.hold, collect.push, collect.policy) == (2000, 300, 20, 20, "menu")
    assert config.vision.net.encoder_channels == (32, 64, 64, 128)
    assert config.vision.net.decoder_channels == (64, 64, 32)
    assert (config.vision.vae.reconstruction, config.vision.vae.reconstruction_weight) == ("mean", 10_000)
    assert (config.memory.length, config.memory.fit.batch_size, config.memory.fit.clip) == (299, 100, 0)
    assert (config.memory.model.reward_input, config.memory.model.reward.head) == (True, "sign")
    search = config.controller.search
    assert (search.strategy.cma.population, search.strategy.cma.sigma, search.tracks.num) == (32, 0.1, 4)


def test_overrides_reach_every_depth_and_keep_the_rest() -> None:
    config = settings.load(
        "debug", ["vision.net.z_size=5", "seed=3", 'controller.model.inputs="z"', "collect.policy=menu"]
    )
    assert (config.vision.net.z_size, config.seed) == (5, 3)
    assert (config.controller.model.inputs, config.collect.policy) == ("z", "menu")
    assert config.memory == settings.load("debug").memory


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("controller.search.generatons=3", r"unknown key controller.search.generatons \(did you mean generations\?\)"),
        ("controler.search.generations=3", r"unknown key controler \(did you mean controller\?\)"),
        ("controller.search.generations=many", r"controller.search.generations: .*integer.*'many'"),
        ("collect.policy=best", r"collect.policy: .*'menu', 'walk', 'mixed', 'networks' or 'random'.*'best'"),
        ("collect.episodes=0", r"collect.episodes: .*greater than or equal to 2.*0"),
        ("controller.learner=imagination", r"controller.learner: .*'search'.*'imagination'"),
        ("controller.search.strategy.cma.population=1", r"controller.search.strategy.cma.population"),
        ("seed=-1", r"seed: "),
        ("generations", r"write it as section.key=value"),
        ("workers.x=1", r"workers is a value, not a section"),
    ],
)
def test_a_wrong_setting_gets_one_clear_line(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        settings.load("debug", [override])
    assert caught.value.usage
    assert "\n" not in str(caught.value)


def test_unknown_recipes_and_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recipe 'quik' \(did you mean quick\?\)"):
        settings.load("quik")
    with pytest.raises(UserError, match=r"nowhere.toml does not exist"):
        settings.load(str(tmp_path / "nowhere.toml"))
    (tmp_path / "bad.toml").write_text("seed = = 1")
    with pytest.raises(UserError, match=r"bad.toml is not valid TOML"):
        settings.load(str(tmp_path / "bad.toml"))


def test_measured_results_are_no_part_of_the_configuration() -> None:
    assert "measured" not in asdict(settings.load("quick"))
    measured = [found for name in settings.names() if "mean" in (found := settings.measured(name))]
    assert measured
    for found in measured:
        assert set(found) >= {"mean", "ci95", "tracks", "minutes", "cores", "processor", "frames"}


@pytest.mark.parametrize("name", settings.names())
def test_recipes_end_by_work_not_by_the_clock(name: str) -> None:
    search = settings.load(name).controller.search
    assert search.minutes == 0
    assert search.generations % search.finals.eval_every in (0, search.generations)
    centers = num_evaluations(search)
    assert num_finalists(centers, search.finals) > min(centers, search.finals.finalists), "means are among them"


def test_the_recipe_of_a_scout_is_kept_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.load("debug", ["collect.scout=mine.toml"]).collect.scout == str(tmp_path / "mine.toml")
    assert settings.load("debug", ["collect.scout=scout"]).collect.scout == "scout"
