"""What a recipe may cost, against what it does cost."""

from reverie.run import settings
from reverie.training.budget import budget


def test_the_search_of_debug_to_the_frame() -> None:
    """4 generations of 4 candidates on 1 track, 2 evaluations of 2 tracks, and in the finals the 2 centers that were
    evaluated and the mean of both, on 2 tracks each; 60 frames an episode."""
    assert budget(settings.load("debug"))["controller_frames"] == (4 * 4 + 2 * 2 + 3 * 2) * 60


def test_tracks_that_double_and_finalists_of_an_odd_end() -> None:
    overrides = ["controller.search.tracks.double_every=1", "controller.search.tracks.max=4"]
    overrides += ["controller.search.generations=5", "controller.search.finals.finalists=1"]
    cost = budget(settings.load("debug", overrides))
    assert cost["controller_frames"] == (4 * (1 + 2 + 4 + 4 + 4) + 3 * 2 + 2 * 2) * 60
    overrides += ["controller.search.tracks.signal_to_noise=1"]
    assert budget(settings.load("debug", overrides))["controller_frames"] == (4 * 5 * 4 + 3 * 2 + 2 * 2) * 60


def test_rounds_to_the_frame() -> None:
    """A first round of 10 episodes of 12 decisions; then two of 2 laps of 15, 3 episodes of 9 decisions by the agent
    and 1 of 12 by chance; each with its search; and in the end three agents on 5 validation tracks."""
    rounds = ["num=3", "laps=2", "episodes=4", "generations=2", "keep=best", "keep_tracks=5", "memory_steps=7"]
    overrides = [f"rounds.{each}" for each in rounds] + ["collect.agent_share=0.75", "collect.agent_steps=9"]
    cost = budget(settings.load("debug", overrides))
    later = 2 * 15 + 3 * 9 + 12
    assert cost["collect_frames"] == 4 * (10 * 12 + 2 * later)
    assert cost["vision_images"] == 2 * 120 + 1 * (120 + later) + 1 * (120 + 2 * later)
    assert cost["memory_timesteps"] == 4 * 8 * (6 + 7 + 7)
    assert cost["controller_generations"] == 4 + 2 + 2
    first, other = (4 * 4 + 2 * 2 + 3 * 2) * 60, (2 * 4 + 1 * 2 + 1 * 2) * 60
    assert cost["controller_frames"] == first + 2 * other
    assert cost["real_frames"] == cost["collect_frames"] + cost["controller_frames"] + 3 * 5 * 60


def test_dreams_cost_decisions_and_no_frames() -> None:
    """4 generations of 4 candidates in 1 dream, 2 evaluations of 2 dreams by the judge and by the others, and finals of
    3 in 2 dreams each; on the road, 3 tracks at each evaluation."""
    dreams = ["decisions=7", "judge=true", "road_tracks=3"]
    overrides = ["controller.world=dream", "memory.members=2", *(f"controller.dream.{each}" for each in dreams)]
    cost = budget(settings.load("debug", overrides))
    assert cost["controller_frames"] == 2 * 3 * 60
    assert cost["dreamt_decisions"] == (4 * 4 + 2 * 2 * 2 + 3 * 2) * 7
    cost = budget(settings.load("debug", [*overrides, "controller.search.finals.world=road"]))
    assert cost["controller_frames"] == (2 * 3 + 3 * 2) * 60


def test_imagined_decisions() -> None:
    """6 steps of 8 dreams of 3 decisions; C is driven at the beginning and after 4 and 6 of them; those
    the three, and the mean of all, are finalists."""
    steps = ["steps=6", "batch=8", "horizon=3", "eval_every=4"]
    overrides = ["controller.learner=imagine", *(f"controller.imagine.{each}" for each in steps)]
    cost = budget(settings.load("debug", overrides))
    assert cost["dreamt_decisions"] == 6 * 8 * 3
    assert cost["controller_frames"] == (3 * 2 + 4 * 2) * 60
    assert cost["controller_generations"] == 0
    cost = budget(settings.load("debug", [*overrides, "controller.world=dream", "controller.dream.decisions=7"]))
    assert (cost["controller_frames"], cost["dreamt_decisions"]) == (0, 6 * 8 * 3 + (3 * 2 + 4 * 2) * 7)


def test_dream_keeps_to_its_frames() -> None:
    assert budget(settings.load("dream"))["real_frames"] <= 500_000
