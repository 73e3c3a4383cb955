"""Settings of dreams to learn in that cannot work are refused before anything runs."""

import pytest

from reverie.errors import UserError
from reverie.run import settings

DREAM = "controller.world=dream"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["memory.model.reward.head=none"], "M without memory.model.reward.head says nothing of what a decision"),
        (["controller.dream.judge=true"], "controller.dream.judge needs an M beside .* set memory.members = 2 or more"),
        (["controller.dream.members=random"], "members = random needs two M's or more: set memory.members = 2"),
        (["controller.dream.doubt_cut=1"], "doubt_cut and doubt_cost needs two M's or more: set memory.members = 2"),
        (
            ["controller.dream.members=random", "controller.dream.judge=true", "memory.members=2"],
            "needs two M's or more beside the judge: set memory.members = 3",
        ),
        (["controller.dream.decisions=0"], "controller.dream.decisions: .*greater than 0"),
    ],
)
def test_dreams_that_cannot_be_are_refused_in_a_line(given: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        settings.load("debug", [DREAM, *given])
    assert "\n" not in str(error.value)
    assert error.value.usage


def test_on_the_road_they_say_nothing() -> None:
    assert settings.load("debug", ["controller.dream.judge=true"]).controller.world == "road"
    whole = ["memory.members=3", "controller.dream.judge=true", "controller.dream.members=random"]
    assert settings.load("debug", [DREAM, *whole]).controller.world == "dream"
