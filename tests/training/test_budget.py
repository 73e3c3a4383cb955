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
