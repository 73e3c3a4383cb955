"""Shares of the same whole are all of it at most."""

import re

import pytest

from reverie.errors import UserError
from reverie.run.recipe import MemoryStage
from reverie.run.rounds import RoundsConfig
from reverie.run.shares import check_together


def test_all_of_it_is_not_too_much() -> None:
    check_together({"a": 0.75, "b": 0.25}, "cake")


def test_more_is_refused_by_the_names_of_the_settings() -> None:
    line = "a = 0.75 and b = 0.5 are shares of the same cake: give 1 at most together"
    with pytest.raises(UserError, match=re.escape(line)) as refused:
        check_together({"a": 0.75, "b": 0.5}, "cake")
    assert refused.value.usage


def test_settings_are_held_to_it() -> None:
    with pytest.raises(UserError, match=r"memory\.dream_failures = 0\.6 and memory\.dream_stuck = 0\.5 are .* moments"):
        MemoryStage(dream_failures=0.6, dream_stuck=0.5)
    with pytest.raises(UserError, match=r"rounds\.failures = 0\.6 and rounds\.beside = 0\.5 are .* episodes"):
        RoundsConfig(failures=0.6, beside=0.5)


def test_dreams_do_not_begin_after_their_end() -> None:
    with pytest.raises(UserError, match=r"memory\.failures_end .* memory\.dream_stuck .* set one") as refused:
        MemoryStage(failures_end=True, dream_stuck=0.1)
    assert refused.value.usage
