"""Groups, differences and verdicts, on numbers whose answer is plain."""

import numpy as np
import pytest
from scipy import stats

from reverie.measure.vision.comparison import Sample, compare, differing, group, header, labels, row, table


def sample(*seeds: float, tracks: int = 50, noise: float = 0.01) -> Sample:
    """Seeds with these means, on tracks whose differences are common to all seeds."""
    rng = np.random.default_rng(0)
    of_track = 0.05 * rng.normal(size=tracks)
    values = np.stack([m + of_track - of_track.mean() + noise * rng.normal(size=tracks) for m in seeds])
    return Sample(means=tuple(values.mean(1).tolist()), per_track=values)


@pytest.mark.parametrize(("better", "verdict"), [("lower", "worse"), ("higher", "better"), ("near 1", "worse")])
def test_verdicts_follow_what_is_better(better, verdict):
    assert compare(sample(1.0, 1.02, 0.98), sample(1.5, 1.52, 1.48), better).verdict == verdict


def test_seeds_that_overlap_decide_nothing():
    difference = compare(sample(1.0, 1.6), sample(1.5, 1.7), "higher")
    assert difference.mean == pytest.approx(0.3, abs=0.05)
    assert difference.ci95 is not None
    assert difference.ci95[0] > 0  # over tracks it would be clear
    assert difference.verdict == "no clear difference"


def test_tracks_that_disagree_decide_nothing():
    first, other = sample(1.0, 1.001, noise=0), sample(1.002, 1.003, noise=0.3)
    assert min(other.means) > max(first.means) or min(first.means) > max(other.means)
    assert compare(first, other, "higher").verdict == "no clear difference"


def test_the_interval_is_students_over_paired_tracks():
    first, other = sample(1.0, 1.1), sample(1.3, 1.4)
    assert first.per_track is not None and other.per_track is not None  # noqa: PT018
    pairs = other.per_track.mean(0) - first.per_track.mean(0)
    expected = stats.t.interval(0.95, len(pairs) - 1, pairs.mean(), stats.sem(pairs))
    assert compare(first, other, "higher").ci95 == pytest.approx(expected)


def test_without_an_interval_there_is_no_verdict():
    difference = compare(Sample(means=(1.0, 2.0), per_track=None), Sample(means=(3.0, 4.0), per_track=None), "lower")
    assert (difference.mean, difference.ci95, difference.verdict) == (2.0, None, "not known")
    one_track = compare(sample(1.0, tracks=1), sample(5.0, tracks=1), "lower")
    assert (one_track.ci95, one_track.verdict) == (None, "not known")


def flat(**settings: object) -> dict[str, object]:
    return {"seed": 0, "workers": -1, "name": "x", "vision.model": "vae", "vision.epochs": 3} | {
        key.replace("__", "."): value for key, value in settings.items()
    }


def test_runs_are_grouped_by_everything_but_their_seed():
    runs = [flat(), flat(vision__model="vae_gan"), flat(seed=1, workers=2), flat(vision__model="vae_gan", seed=5)]
    groups = group(runs)
    assert groups == [[0, 2], [1, 3]]
    assert labels(runs, groups) == ["vae", "vae_gan"]


def test_settings_of_the_model_that_is_not_used_do_not_count():
    runs = [flat(), flat(vision__vae_gan__gamma=2.0), flat(vision__vae__kl_tolerance=1.0)]
    assert group(runs) == [[0, 1], [2]]


def test_labels_name_what_differs():
    runs = [flat(), flat(vision__model="vae_gan"), flat(vision__epochs=9)]
    assert labels(runs, group(runs)) == ["vae, epochs 3", "vae_gan, epochs 3", "vae, epochs 9"]
    assert labels([flat()], [[0]]) == ["1"]


def test_choices_are_said_before_numbers():
    several = {"memory__steps": 9, "vision__epochs": 9, "collect__episodes": 9, "seed": 4}
    runs = [
        flat(controller__model__inputs="zh", memory__steps=3, collect__episodes=3),
        flat(controller__model__inputs="z", **several),
    ]
    assert labels(runs, group(runs))[1] == "inputs z, steps 9, epochs 9"
    assert next(iter(differing(runs, group(runs)))) == "controller.model.inputs"
    assert differing(runs, group(runs))["collect.episodes"] == [3, 9]


def test_the_reader_names_and_groups_runs():
    runs = [flat(), flat(vision__epochs=9), flat(vision__epochs=5)]
    groups = group(runs, ["a", "a", None])
    assert groups == [[0, 1], [2]]
    assert labels(runs, groups, ["a", "a", None]) == ["a", "epochs 5"]


def test_the_table():
    first, other = Sample(means=(1.0, 3.0), per_track=None), Sample(means=(0.5,), per_track=None)
    line = row("error", "lower", [first, other], floor=0.1)
    assert line == ["error", "lower", "0.1", "2 ± 1.41", "0.5", "-1.5", "not known"]
    text = table([header(["a", "b"]), line])
    assert text.splitlines()[0] == "| measure | better | real frames | a | b | b - a | b is |"
    assert len({text_line.count("|") for text_line in text.splitlines()}) == 1
