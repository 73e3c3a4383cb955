"""What a dream pays and when it is over, where that can be worked out by hand."""

import pytest
import torch

from reverie.actions import SteerGasBrake
from reverie.dream.accounting import settle
from reverie.dream.moments import World
from reverie.types import LargestReturn

CAR = {"env_id": "X", "actions": SteerGasBrake(), "action_repeat": 4, "max_decisions": 250}
"""A lap of 1,000 frames."""
LARGEST = LargestReturn(total=1000.0, frame_cost=0.1)


def settled(earned: float, frames: int, rew: float, world: World | None = None):
    """One dream's decision as plain numbers."""
    world = world or World(**CAR, largest_return=LARGEST)
    found = settle(world, torch.tensor([earned]), torch.tensor([frames]), torch.tensor([rew]))
    return tuple(part.item() for part in found)


def test_what_is_left_is_paid_in_full():
    # After 404 frames 960 are the most; 940 + 12.5 are less.
    assert settled(940.0, 400, 12.5) == (12.5, False, False, 0.0)


def test_a_promise_beyond_what_is_left_is_cut_to_it_ends_the_dream_and_is_told():
    rew, end, trunc, excess = settled(940.0, 400, 25.0)
    assert rew == pytest.approx(1000 - 0.1 * 404 - 940, rel=1e-4)
    assert (end, trunc) == (True, False)
    assert excess == pytest.approx(25 - 19.6, rel=1e-4)


def test_the_last_tile_ends_the_lap_and_is_no_exploit():
    world = World(**CAR, largest_return=LargestReturn(total=1000.0, frame_cost=0.0))
    assert settled(990.0, 400, 10.0, world) == (10.0, True, False, 0.0)
    assert settled(990.0, 400, 9.99, world) == (pytest.approx(9.99), False, False, 0.0)
    rew, end, _, excess = settled(990.0, 400, 10.5, world)  # within rounding of the sum
    assert (rew, end, excess) == (10.0, True, 0.0)


def test_what_was_lost_to_a_penalty_can_never_be_earned_again_in_truth_but_may_be_here():
    # 100 lost: the bound is looser by as much. It is still never beyond what the world can give from its start.
    assert settled(840.0, 400, 100.0)[:2] == (100.0, False)


def test_time_is_up_after_the_world_s_frames_whenever_the_dream_began():
    assert settled(0.0, 992, 1.0) == (1.0, False, False, 0.0)
    assert settled(0.0, 996, 1.0) == (1.0, False, True, 0.0)
    assert settled(899.0, 996, 2.0)[1:3] == (True, True)


def test_where_nobody_knows_the_largest_return_only_time_ends_a_dream():
    world = World(**CAR)
    assert settled(5000.0, 8, 1e6, world) == (1e6, False, False, 0.0)
    assert settled(5000.0, 996, 1e6, world) == (1e6, False, True, 0.0)


def test_what_is_paid_never_adds_up_to_more_than_the_world_can_give():
    world, chance = World(**CAR, largest_return=LARGEST), torch.Generator().manual_seed(0)
    earned, frames = torch.zeros(500), torch.zeros(500, dtype=torch.long)
    going = torch.ones(500, dtype=torch.bool)
    for decision in range(1, 251):
        found = settle(world, earned, frames, 12 * torch.rand(500, generator=chance))
        earned, frames = earned + found.rew * going, frames + 4
        assert (earned[going] <= 1000 - 0.4 * decision + 1e-2).all()
        going &= ~(found.end | found.trunc)
    assert not going.any()
    assert earned.min() > 900  # each came to its end by earning all: 160 decisions at 6 on average
