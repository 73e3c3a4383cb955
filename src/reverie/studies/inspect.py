"""What a run's V has learned: pictures of its latent space, and the arithmetic of attributes in it.

Shapes: n frames, z latent.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from reverie.envs.truth import require_truth
from reverie.errors import UserError
from reverie.measure.truth.labelled import ATTRIBUTES, STATE, LabelledFrames, joined, labelled_frames
from reverie.measure.vision.arithmetic import Arithmetic, AttributeJudge, measure_arithmetic
from reverie.measure.vision.attribute_vectors import contrast, shifts
from reverie.models.autoencoder import Autoencoder
from reverie.models.coding import decode, encode, information
from reverie.models.files import load_vision
from reverie.progress import Progress
from reverie.run.folder import RunFolder
from reverie.seeding import TEST_TRACKS, TRAINING_TRACKS, VALIDATION_TRACKS, generator, sample_tracks
from reverie.show import latent_sheets as pictures
from reverie.writing import write_json

TRAINING_TRACKS_USED = 1000
"""Tracks, about 4 frames of each, that the vectors come from."""
CHUNK = 60
"""Tracks driven between two looks at the progress bar."""
SIGMAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
TRAVERSED, TRAVERSAL = 10, (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Dimensions of the traversal sheet, and how far it goes."""
STEPS = 8
"""Pictures on the way from one frame to another."""
PAIRS = (("straight", "left curve"), ("straight", "on grass"), ("left curve", "right curve"), ("straight", "straight"))
NUM_COMPARED, NUM_SAMPLES, EDITED = 20, 30, 3
NUM_PICTURES = 7
_SCORE, _PICTURE = 60, 15
"""Steps of the bar, of which a track driven is one."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was written, and what was measured."""

    arithmetic: Arithmetic
    pictures: tuple[Path, ...]
    numbers: Path
    """arithmetic.json"""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Latents:
    """V and what it makes of the frames that the pictures start from."""

    vision: Autoencoder
    frames: LabelledFrames
    z: np.ndarray
    """(n, z) means"""
    kl: np.ndarray
    """(z,) nats, mean over frames"""
    mean: np.ndarray
    sigma: np.ndarray
    """(z,) spread of the aggregate posterior"""

    @property
    def order(self) -> list[int]:
        """Dimensions from the most informative on."""
        return np.argsort(-self.kl, kind="stable").tolist()

    def decode(self, z: np.ndarray) -> np.ndarray:
        """z (..., z) -> frames (..., 64, 64, 3)"""
        return decode(self.vision, z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], 64, 64, 3)


def inspect_run(
    run: RunFolder,
    judges: AttributeJudge,
    output: Path,
    *,
    tracks: int = 60,
    split: Literal["validation", "test"] = "validation",
    dims: tuple[int, int] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Inspection:
    """Measures, draws and writes into `output`. Raises UserError for what V does not have or was not made for.

    Vectors come from training tracks and their scales from `tracks` validation tracks; all that is shown and measured
    comes from as many others of `split`.
    """
    require_truth(run.config.env, run.name)
    vision = load_vision(run.vision, run.device).eval()
    dims = _checked(dims, vision.z_size)
    if tracks < 1:
        raise UserError(f"--tracks {tracks}: give at least 1", usage=True)
    seen = sample_tracks(generator(seed, "inspect", "validation"), 2 * tracks, VALIDATION_TRACKS)
    tests = sample_tracks(generator(seed, "inspect", "test"), tracks, TEST_TRACKS) if split == "test" else seen[tracks:]
    trains = sample_tracks(generator(seed, "inspect", "train"), TRAINING_TRACKS_USED, TRAINING_TRACKS)
    total = len(trains) + 2 * tracks + _SCORE * 2 * len(ATTRIBUTES) + _PICTURE * NUM_PICTURES
    with Progress("inspect", total, "steps", quiet=quiet) as bar:
        train, tune, test = (_labelled(part, seed, bar) for part in (trains, seen[:tracks], tests))
        if not len(test):
            raise UserError(f"--tracks {tracks}: no frame of them shows the road: ask for more", usage=True)
        arithmetic = measure_arithmetic(vision, judges, train, tune, test, seed, advance=lambda: bar.advance(_SCORE))
        numbers = output / "arithmetic.json"
        output.mkdir(parents=True, exist_ok=True)
        write_json(numbers, {"run": run.name, "split": split, "seed": seed, "tracks": tracks, **asdict(arithmetic)})
        drawn = []
        for path in _draw(_latents(vision, test), train, arithmetic, output, dims, seed):
            drawn.append(path)
            bar.advance(_PICTURE)
    return Inspection(arithmetic=arithmetic, pictures=tuple(drawn), numbers=numbers)


def _checked(dims: tuple[int, int] | None, z_size: int) -> tuple[int, int] | None:
    if dims is None:
        return None
    for dim in dims:
        if not 0 <= dim < z_size:
            raise UserError(f"--dims: there is no dimension {dim}, they go from 0 to {z_size - 1}", usage=True)
    if dims[0] == dims[1]:
        raise UserError(f"--dims: {dims[0]} is given twice, give two dimensions", usage=True)
    return dims


def _labelled(tracks: list[int], seed: int, bar: Progress) -> LabelledFrames:
    parts = []
    for first in range(0, len(tracks), CHUNK):
        part = tracks[first : first + CHUNK]
        parts.append(labelled_frames(part, int(generator(seed, "inspect", "drive", part[0]).integers(2**31))))
        bar.advance(len(part))
    return joined(parts)


def _latents(vision: Autoencoder, frames: LabelledFrames) -> _Latents:
    mu, logvar = encode(vision, frames.frames)
    variance = np.exp(logvar)
    return _Latents(
        vision=vision,
        frames=frames,
        z=mu,
        kl=information(mu, logvar),
        mean=mu.mean(0),
        sigma=np.sqrt(mu.var(0) + variance.mean(0)),
    )


def _draw(
    latents: _Latents,
    train: LabelledFrames,
    arithmetic: Arithmetic,
    output: Path,
    dims: tuple[int, int] | None,
    seed: int,
) -> Iterator[Path]:
    """The pictures, one after the other."""
    frames, z = latents.frames.frames, latents.z
    some = np.linspace(0, len(frames) - 1, min(NUM_COMPARED, len(frames))).astype(np.int64)
    seen = {"frame": frames[some], "reconstruction": latents.decode(z[some])}
    pictures.comparison(path := output / "comparison.png", seen)
    yield path
    tells = _tells(latents)
    names = (*STATE, *ATTRIBUTES)
    pictures.informative(path := output / "informative.png", latents.kl, tells, names)
    yield path
    base = _plainest(latents)
    a, b = dims or (latents.order[0], latents.order[1])
    cells = np.tile(z[base], (len(SIGMAS), len(SIGMAS), 1))
    cells[:, :, a] = (latents.mean[a] + latents.sigma[a] * np.array(SIGMAS))[:, None]
    cells[:, :, b] = latents.mean[b] + latents.sigma[b] * np.array(SIGMAS)
    pictures.latent_grid(path := output / "latent_grid.png", frames[base], latents.decode(cells), (a, b), SIGMAS)
    yield path
    rows = {}
    for dim in [*dict.fromkeys((a, b, *latents.order))][:TRAVERSED]:
        moved = np.tile(z[base], (len(TRAVERSAL), 1))
        moved[:, dim] = latents.mean[dim] + latents.sigma[dim] * np.array(TRAVERSAL)
        best = int(tells[dim].argmax())
        told = f"\n{names[best]} {100 * tells[dim, best]:.0f}%" if tells[dim, best] >= 0.1 else ""
        rows[f"z{dim}\n{latents.kl[dim]:.1f} nats{told}"] = latents.decode(moved)
    pictures.traversal(path := output / "traversal.png", frames[base], rows, TRAVERSAL)
    yield path
    ends = _pairs(latents.frames, generator(seed, "inspect", "pairs"))
    way = np.linspace(0, 1, STEPS)[None, :, None]
    between = latents.decode((1 - way) * z[ends[:, :1]] + way * z[ends[:, 1:]])
    way = way[..., None, None]
    faded = ((1 - way) * frames[ends[:, :1]] + way * frames[ends[:, 1:]]).round().astype(np.uint8)
    pictures.interpolation(path := output / "interpolation.png", frames[ends], between, faded)
    yield path
    pictures.edits(path := output / "edits.png", _edited(latents, train, arithmetic))
    yield path
    prior = generator(seed, "inspect", "prior").normal(size=(NUM_SAMPLES, z.shape[1]))
    pictures.samples(path := output / "samples.png", latents.decode(prior))
    yield path


def _tells(latents: _Latents) -> np.ndarray:
    """Squared correlation of each dimension with each number of the state and each attribute, (z, 3 + 6)."""
    labels = [np.ones(len(latents.z), bool)] * len(STATE) + list((latents.frames.attributes >= 0).T)
    values = [*latents.frames.state.T, *latents.frames.attributes.T]
    found = np.zeros((latents.z.shape[1], len(values)))
    for column, (value, known) in enumerate(zip(values, labels, strict=True)):
        x, y = latents.z[known], value[known].astype(np.float64)
        if len(y) > 1:
            x, y = x - x.mean(0), y - y.mean()
            found[:, column] = (y @ x) ** 2 / np.maximum((x**2).sum(0) * (y**2).sum(), 1e-12)
    return found


def _plainest(latents: _Latents) -> int:
    """The frame that is most in the middle of a straight road, facing along it."""
    spread = np.abs(latents.frames.state) / np.maximum(np.abs(latents.frames.state).mean(0), 1e-9)
    return int(spread.sum(1).argmin())


def _pairs(frames: LabelledFrames, rng: np.random.Generator) -> np.ndarray:
    """Indices (pairs, 2) of frames that have what `PAIRS` says; any where there are none."""

    def draw(name: str) -> int:
        having = np.flatnonzero(frames.attributes[:, ATTRIBUTES.index(name)] == 1)
        return int(rng.choice(having if len(having) else len(frames)))

    return np.array([[draw(first), draw(last)] for first, last in PAIRS])


def _edited(latents: _Latents, train: LabelledFrames, arithmetic: Arithmetic) -> dict[str, np.ndarray]:
    """For each attribute frames x (frame, reconstruction, at s / 2, s, -s), with local vectors."""
    made = shifts(encode(latents.vision, train.frames)[0], train.attributes)
    rows = {}
    for target, name in enumerate(ATTRIBUTES):
        score = arithmetic.score(name, "local")
        shift = next(shift for shift in made[target, "local"] if shift.neighbours == score.neighbours)
        found = np.flatnonzero(contrast(latents.frames.attributes, target)[1])
        along = found[np.argsort(np.abs(latents.frames.state[found, 1]), kind="stable")]
        found = along[np.linspace(0, len(along) // 2, min(EDITED, len(along))).astype(np.int64)]
        z = latents.z[found]
        step = score.scale * shift(z)
        seen = latents.decode(np.stack([z, z + step / 2, z + step, z - step], 1))
        flip, keep = (
            f"{100 * rate:.0f}%" if rate is not None else "none" for rate in (score.edit.flip, score.edit.keep)
        )
        label = f"{name}\nflipped {flip}, kept {keep}\ns = {score.scale:g}, {score.neighbours} neighbours"
        rows[label] = np.concatenate([latents.frames.frames[found][:, None], seen], 1)
    return rows
