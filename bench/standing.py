"""How laps in the finals of the rounds of runs fail: `python -m bench.standing RUN...`.

A lap below `BELOW` counts as *standing* where its last `STILL` pictures are the same: the car no longer moves,
and C, who sees the same as before, does the same as before.
"""

import sys

import numpy as np

from reverie.data.store import EpisodeStore
from reverie.run.folder import RunFolder
from reverie.training.rounds import rounds_of

BELOW = 700.0
STILL = 6
"""Pictures, a decision apart."""


def standing(frames: np.ndarray) -> bool:
    """Whether nothing moved at the end of a lap's `frames` (t, h, w, 3)."""
    return bool((frames[-STILL:] == frames[-1]).all())


def main() -> None:
    """A line for each round, and one for each run."""
    print(f"{'run':<24} {'round':>5} {'laps':>5} {'below':>6} {'standing':>9}")
    for name in sys.argv[1:]:
        total = np.zeros(3, np.int64)
        for number, run in enumerate(rounds_of(RunFolder.open(name))):
            laps = EpisodeStore(run.laps)
            failed = [i for i, entry in enumerate(laps.entries) if entry["episode_return"] < BELOW]
            counts = np.array([len(laps), len(failed), sum(standing(laps[i].obs) for i in failed)])
            print(f"{name[-24:]:<24} {number:>5} {counts[0]:>5} {counts[1]:>6} {counts[2]:>9}", flush=True)
            total += counts if number else 0
        print(f"{name[-24:]:<24} {'later':>5} {total[0]:>5} {total[1]:>6} {total[2]:>9}", flush=True)


if __name__ == "__main__":
    main()
