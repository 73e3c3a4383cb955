"""Every number that a recipe may hold has bounds, so that nothing is begun that cannot end, or fit."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt

from reverie.errors import UserError
from reverie.evolution.strategies import make_strategy
from reverie.models.vision import make_vision
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.recipe import RunConfig
from reverie.training.pipeline import run_stages

MEMORY = {
    "hidden_size": 4096,
    "num_layers": 16,
    "num_mixtures": 100,
    "num_bins": 1024,
    "z_size": 1024,
    "encoder_channels": 4096,
    "decoder_channels": 4096,
    "decoder_features": 4096,
    "channels": 4096,
    "features": 4096,
    "length": 10_000,
    "dream_starts": 100_000,
    "members": 100,
    "batch_size": 100_000,
    "episodes": 1_000_000,
    "steps": 10**9,
    "agent_steps": 100_000,
    "max_frames": 100_000,
    "population": 10_000,
    "generations": 1_000_000,
    "num": 10_000,
    "max": 10_000,
    "tracks": 500_000,
    "eval_tracks": 10_000,
    "finalists": 1000,
    "average": 1000,
    "directions": 100_000,
}
"""Names of what costs memory, or time before a word is said, and the most that may be asked for."""


def numbers(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`section.key` and the annotated type of every number, of the items of a list, too."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint, key = hints[field.name], f"{prefix}{field.name}"
        if is_dataclass(hint):
            yield from numbers(hint, f"{key}.")  # pyright: ignore[reportArgumentType]
            continue
        items = get_args(hint) if get_origin(hint) is tuple else (hint,)
        for item in items:
            bare = get_args(item)[0] if get_origin(item) is Annotated else item
            if bare in (int, float):
                yield key, item


ALL = dict(numbers(RunConfig))


def bounds(hint: Any) -> tuple[float, float]:
    """The least and the most value, -inf and inf where there is none."""
    low, high = -math.inf, math.inf
    for limit in get_args(hint)[1:]:
        if isinstance(limit, Ge | Gt):
            low = float(limit.ge if isinstance(limit, Ge) else limit.gt)  # pyright: ignore[reportArgumentType]
        if isinstance(limit, Le | Lt):
            high = float(limit.le if isinstance(limit, Le) else limit.lt)  # pyright: ignore[reportArgumentType]
    return low, high


def test_the_walk_finds_numbers_everywhere() -> None:
    found = ("seed", "memory.model.reward.num_bins", "vision.net.encoder_channels", "controller.search.race")
    assert {*found, "controller.search.strategy.ga.population", "env.max_frames"} <= ALL.keys()
    assert len(ALL) > 90


@pytest.mark.parametrize("key", ALL)
def test_every_number_has_bounds_on_both_sides(key: str) -> None:
    low, high = bounds(ALL[key])
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert high <= MEMORY.get(key.split(".")[-1], math.inf)


def refused(key: str, value: str) -> str:
    with pytest.raises(UserError) as caught:
        settings.load("debug", [f"{key}={value}"])
    assert caught.value.usage
    assert "\n" not in str(caught.value)
    assert key in str(caught.value) or key == "vision.vae_gan.discriminator.channels"  # which must fit its layer, too
    return str(caught.value)


@pytest.mark.parametrize("key", ALL)
def test_what_is_no_number_is_refused_in_one_line(key: str) -> None:
    low, high = bounds(ALL[key])
    many = "[{}, {}, {}, {}]" if key.endswith("encoder_channels") else "[{}, {}, {}]"
    is_list = key.endswith("channels")
    for value in ("nan", "inf", "-inf", '"3"', "true", "2020-01-01", "9" * 5000, str(2 * high + 1), str(low - 1)):
        refused(key, many.format(*4 * [value]) if is_list else value)
    for value in ("[1]", "{a = 1}", '""', "[]", "many"):
        refused(key, value)


def test_a_long_value_is_not_repeated_in_full() -> None:
    assert len(refused("seed", "[" + "1, " * 5000 + "1]")) < 200


SMALLEST = [
    *(f"collect.{x}" for x in ("episodes=2", "hold=1", "agent_noise=0", "push=0")),
    *(f"vision.{x}" for x in ("epochs=1", "fit.batch_size=1", "net.z_size=1", "net.decoder_features=1")),
    *("vision.net.encoder_channels=[1,1,1,1]", "vision.net.decoder_channels=[1,1,1]"),
    *(f"memory.{x}" for x in ("steps=1", "length=1", "eval_every=1", "dream_starts=1", "fit.batch_size=1")),
    *(f"memory.model.{x}" for x in ("hidden_size=1", "num_mixtures=1", "num_layers=1")),
    *(f"memory.model.reward.{x}" for x in ("head=two_hot", "num_bins=2")),
    *(f"controller.search.{x}" for x in ("generations=1", "tracks.num=1", "tracks.max=1", "stall_decisions=1")),
    *(f"controller.search.finals.{x}" for x in ("eval_every=1", "eval_tracks=1", "finalists=1", "tracks=1")),
    *("controller.search.finals.average=2", "controller.search.strategy.cma.population=3", "evaluate.tracks=1"),
    "controller.search.start.directions=1",
]


def test_the_smallest_of_everything_runs(tmp_path: Path) -> None:
    for override in SMALLEST:
        key, value = override.split("=", 1)
        if key in ALL and not value.startswith("[") and ALL[key] is not None:
            low, _ = bounds(ALL[key])
            assert float(value) <= low + 1
    run = RunFolder.create(tmp_path / "run", settings.load("debug", SMALLEST))
    run_stages(run, quiet=True)
    assert run.is_done("pictures")
    losses = run.stage("memory")["held_out"].values()
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize("features", [0, 1])
def test_the_smallest_vae_gan_learns(features: int) -> None:
    small = ["r1_every=1", "discriminator.first_stride=1", f"discriminator.features={features}"]
    small += ["discriminator.channels=[1]", "discriminator.layer=0", "discriminator.kernel=3", "warm_up=0"]
    config = settings.load("debug", ["vision.model=vae_gan", *(f"vision.vae_gan.{override}" for override in small)])
    vision = make_vision(config.vision)
    loss, _ = vision.loss(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    loss.backward()
    assert math.isfinite(float(loss.detach()))


@pytest.mark.parametrize(("name", "population"), [("cma", 3), ("pepg", 2), ("openes", 2), ("ga", 2)])
def test_the_smallest_population_searches(name: str, population: int) -> None:
    overrides = [f"strategy.name={name}", f"strategy.{name}.population={population}", f"strategy.{name}.sigma=1e-6"]
    config = settings.load("debug", [f"controller.search.{override}" for override in overrides])
    strategy = make_strategy(config.controller.search.strategy, 4, np.random.default_rng(0))
    for _ in range(5):
        candidates = strategy.ask()
        assert candidates.shape == (population, 4)
        strategy.tell(candidates, candidates.sum(1))
    assert np.isfinite(strategy.center).all()


@pytest.mark.parametrize("override", ["collect.steps=1", "env.max_frames=4"])
def test_a_single_decision_is_too_short_to_learn_from(override: str) -> None:
    refused(override.split("=")[0], override.split("=")[1])
