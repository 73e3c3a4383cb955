"""Our CarRacing against Gymnasium's, frame by frame: `python -m bench.accuracy --tracks 50 --steps 1000`.

Each track is driven in both with the same actions, Gymnasium drawing every frame. Rewards, endings and `info` must be
equal; the pictures' difference is counted level by level. A track that ends is followed by another until the steps are
done. `--strip FILE` writes a filmstrip: Gymnasium's, ours, and their difference.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench.scripted import SCRIPTED

ZOOM_FRAMES = 50
PANEL_ROW = 84
STRIP = (0, 12, 30, 60, 150, 300, 450, 600)
"""Frames of a track that go into the filmstrip."""
GAIN = 16
"""Differences in the filmstrip are shown this many times as large."""


class Found(NamedTuple):
    """What a track came to."""

    histogram: np.ndarray
    """(3, 256) pixel values of the zoom's frames, of later ones, and of the panel, by difference in levels."""
    worst_frame: float
    """Largest mean difference of a frame, in levels."""
    steps: int
    unequal: int
    """Steps whose reward, ending or info differ."""
    laps: int
    """Episodes that ended with a finished lap."""
    left: int
    """Episodes that ended off the field."""


def drive(track: int, steps: int, *, strip: list | None = None) -> Found:
    """One driver on one seed after the other. `strip` takes (frame number, theirs, ours)."""
    from gymnasium.envs.box2d.car_racing import CarRacing

    from reverie.envs.car_racing.env import FastCarRacing

    driver = SCRIPTED[track % len(SCRIPTED)]
    options: Any = {"domain_randomize": track % 10 >= 5}
    theirs: Any = CarRacing(**options)
    ours: Any = FastCarRacing(**options)
    histogram = np.zeros((3, 256), np.int64)
    worst, unequal, laps, left, done, episode = 0.0, 0, 0, 0, 0, 0
    while done < steps:
        seed = 1000 * track + episode
        (a, their_info), (b, our_info) = theirs.reset(seed=seed), ours.reset(seed=seed)
        unequal += their_info != our_info or theirs.track != ours.track
        for frame in range(steps - done + 1):
            difference = np.abs(a.astype(np.int16) - b.astype(np.int16))
            histogram[0 if frame < ZOOM_FRAMES else 1] += np.bincount(difference[:PANEL_ROW].ravel(), minlength=256)
            histogram[2] += np.bincount(difference[PANEL_ROW:].ravel(), minlength=256)
            worst = max(worst, float(difference.mean()))
            if strip is not None and episode == 0 and frame in STRIP:
                strip.append((frame, a, b))
            if frame == steps - done:
                done += frame
                break
            action = driver(theirs, frame)
            a, *their_rest = theirs.step(action)
            b, *our_rest = ours.step(action)
            unequal += their_rest != our_rest
            if their_rest[1]:
                lap = their_rest[3]["lap_finished"]
                laps, left, done = laps + lap, left + (not lap), done + frame + 1
                break
        episode += 1
    return Found(histogram, worst, done, unequal, laps, left)


def summary(found: list[Found]) -> dict[str, Any]:
    """Figures for all tracks together."""
    histogram = np.sum([one.histogram for one in found], axis=0)
    return {
        "tracks": len(found),
        "steps": sum(one.steps for one in found),
        "steps_unequal_in_reward_ending_or_info": sum(one.unequal for one in found),
        "laps_finished": sum(one.laps for one in found),
        "left_the_field": sum(one.left for one in found),
        "all": _levels(histogram.sum(0)),
        "first_50_frames": _levels(histogram[0]),
        "later_frames": _levels(histogram[1]),
        "panel": _levels(histogram[2]),
        "mean_of_the_worst_frame": round(max(one.worst_frame for one in found), 3),
    }


def _levels(histogram: np.ndarray) -> dict[str, float]:
    """Mean difference in levels of 255, quantiles, largest, and the share of pixel values that are equal."""
    share = np.cumsum(histogram) / histogram.sum()
    quantile = {f"quantile_{q}": int(np.searchsorted(share, q)) for q in (0.99, 0.999)}
    mean = float((histogram * np.arange(256)).sum() / histogram.sum())
    return {"mean": round(mean, 4), **quantile, "max": int(np.flatnonzero(histogram)[-1]), "equal": round(share[0], 4)}


def write_strip(path: Path, rows: list[list[tuple[int, np.ndarray, np.ndarray]]]) -> None:
    """Three lines for each driver: Gymnasium's frames, ours, and how they differ."""
    from reverie.show.canvas import Canvas

    scale, gap, margin = 1, 4, 86
    cell = 96 * scale + gap
    canvas = Canvas(margin + cell * len(STRIP), 20 + len(rows) * (3 * cell + 14))
    for column, frame in enumerate(STRIP):
        canvas.text(f"frame {frame}", margin + column * cell, 3, 12)
    for row, (driver, pictures) in enumerate(zip(SCRIPTED, rows, strict=False)):
        top = 20 + row * (3 * cell + 14)
        for line, label in enumerate((f"{driver.__name__}\nGymnasium", "Reverie", f"difference\nx {GAIN}")):
            canvas.text(label, 4, top + line * cell + 4, 12)
        for column, (_, theirs, ours) in enumerate(pictures):
            difference = np.abs(theirs.astype(int) - ours.astype(int)) * GAIN
            for line, picture in enumerate((theirs, ours, difference.clip(0, 255).astype(np.uint8))):
                canvas.frame(picture, margin + column * cell, top + line * cell, scale)
    canvas.save(path)


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tracks", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1000, help="frames of each track")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--strip", type=Path, help="where to write the filmstrip (PNG)")
    args = parser.parse_args()
    if args.strip:
        rows: list[list] = [[] for _ in SCRIPTED]
        for track, row in enumerate(rows):
            drive(track, max(STRIP) + 1, strip=row)
        write_strip(args.strip, rows)
    with ProcessPoolExecutor(args.workers) as pool:
        found = list(pool.map(drive, range(args.tracks), [args.steps] * args.tracks))
    print(json.dumps(summary(found), indent=2))


if __name__ == "__main__":
    main()
