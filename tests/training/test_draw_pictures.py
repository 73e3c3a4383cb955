"""The pictures of a run: which there are, what they are of."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reverie.models.files import load_memory, save_memory
from reverie.run.folder import RunFolder
from reverie.training import pictures
from reverie.training.pictures import draw_pictures, dream_window


def test_draws_all_that_there_is(tiny_run: RunFolder):
    drawn = draw_pictures(tiny_run)
    names = ["reconstructions.png", "dream.png", "learning_curve.png", "evaluation.png"]
    assert drawn == [tiny_run.pictures / name for name in names]
    assert {path.name for path in tiny_run.pictures.iterdir()} == set(names)
    for path in drawn:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.width > 600
            assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10
    before = [path.read_bytes() for path in drawn]
    assert [path.read_bytes() for path in draw_pictures(tiny_run)] == before


def test_before_there_is_an_agent(tiny_run: RunFolder):
    tiny_run.forget("controller")
    assert [path.name for path in draw_pictures(tiny_run)] == ["reconstructions.png", "dream.png"]


def test_another_memory_dreams_another_dream(tiny_run: RunFolder):
    seen, dream, *_ = [path.read_bytes() for path in draw_pictures(tiny_run)]
    memory = load_memory(tiny_run.memory)
    memory.head.bias.data[: -memory.reward.num_outputs - 1] += 2  # all but reward and end
    save_memory(tiny_run.memory, memory)
    seen_again, dream_again, *_ = [path.read_bytes() for path in draw_pictures(tiny_run)]
    assert seen_again == seen
    assert dream_again != dream


@pytest.mark.parametrize(
    ("rounds", "held_out"), [([1], [0]), ([2], [1]), ([10], [9]), ([40], [38, 39]), ([10, 20, 1], [9, 29])]
)
def test_held_out(rounds: list[int], held_out: list[int]):
    assert pictures._held_out(rounds) == held_out


@pytest.mark.parametrize(
    ("decisions", "repeat", "begins", "every"), [(200, 4, 20, 4), (1000, 1, 80, 16), (12, 4, 4, 1), (1, 4, 1, 1)]
)
def test_dream_window(decisions: int, repeat: int, begins: int, every: int):
    assert dream_window(decisions, repeat) == (begins, every)


def test_the_stretch_with_the_most_reward_is_dreamt():
    rew = np.full(40 * 100, -0.1, np.float32)
    rew[20 * 100 : 21 * 100] = 9  # an episode that is not held out
    rew[38 * 100 + 30 : 38 * 100 + 40] = 1
    rew[39 * 100 + 45 : 39 * 100 + 55] = 2
    latents = SimpleNamespace(rounds=[40], decision_offsets=np.arange(41) * 100, rew=rew)
    episode, columns, begins = pictures._best_stretch(latents, 4)  # pyright: ignore[reportArgumentType] (a stand-in)
    assert episode == 39
    assert begins <= 45
    assert columns[-1] >= 54
    assert columns == list(range(begins - 1 - 2 * 4, begins + 9 * 4, 4))
    assert columns[2] == begins - 1  # the last that M sees
