"""How near a frame is to the frame it should be, each pair by itself; and frames that are wrong in known ways.

Shapes: n frames of (64, 64, 3) uint8; a measure gives (n,).
"""

import numpy as np
import torch

from reverie.errors import UserError
from reverie.models.conv import to_float
from reverie.plotting import import_matplotlib
from reverie.types import Frames

MILD, STRONG = 0.7, 2.0
"""Deviations of the Gaussian blurs, in pixels."""
MOST_DECIBELS = 60.0
"""Where PSNR is cut off: below the error of rounding to 8 bits, two frames are equal."""
_CAR = (slice(48, 61), slice(28, 36))
"""Rows and columns of the car, with two pixels around it."""
_GREY = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""
_SCALES = (0.0448, 0.2856, 0.3001)
"""Weights of the first three of the five scales of MS-SSIM (Wang et al. 2003), here made to sum to 1; the fourth would
be 8 x 8 pixels, less than its window of 11."""


def blurred(frames: Frames, sigma: float) -> Frames:
    """Convolved with a Gaussian of `sigma` pixels; the border goes on outside as it is."""
    from scipy.ndimage import gaussian_filter

    return np.rint(gaussian_filter(frames.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")).astype(np.uint8)


def another_track(track: np.ndarray) -> np.ndarray:
    """For each frame, by the tracks (n,), the index of a frame of another track. UserError where there is but one."""
    if len(np.unique(track)) < 2:
        raise UserError("these frames are of one track: a comparison needs at least two")
    index = (np.arange(len(track)) + len(track) // 2) % len(track)
    while (same := track[index] == track).any():
        index[same] = (index[same] + 1) % len(track)
    return index


def another_world(frames: Frames) -> Frames:
    """The same scenes in colours that no real frame has: red, green and blue take each other's places."""
    return np.ascontiguousarray(frames[..., [1, 2, 0]])


def shifted(frames: Frames, pixels: int) -> Frames:
    """Moved aside by so many pixels, every other frame to the right and the rest to the left; the border is drawn
    out."""
    moved = np.empty_like(frames)
    columns = np.arange(frames.shape[2])
    moved[::2] = frames[::2][:, :, (columns - pixels).clip(0, columns[-1])]
    moved[1::2] = frames[1::2][:, :, (columns + pixels).clip(0, columns[-1])]
    return moved


def sharpness(frames: Frames, real: Frames) -> np.ndarray:
    """Contrast at the edges of the real frames, as a share of theirs: sum over pixels of the product of both gradients,
    over that of the real one squared. 1 for the real frame; an edge elsewhere counts for nothing, a reversed one
    against. The car is left out: it is drawn alike, and strongest, in every frame."""
    a, b = _gradients(frames), _gradients(real)
    return (a * b).sum(1) / np.maximum((b * b).sum(1), 1e-12)


def _gradients(frames: Frames) -> np.ndarray:
    images = frames.astype(np.float32) / 255
    seen = np.ones(frames.shape[1:3], bool)
    seen[_CAR] = False
    down, right = seen[1:] & seen[:-1], seen[:, 1:] & seen[:, :-1]
    parts = (np.diff(images, axis=1)[:, down], np.diff(images, axis=2)[:, right])
    return np.concatenate([part.reshape(len(images), -1) for part in parts], 1)


def psnr(frames: Frames, real: Frames) -> np.ndarray:
    """Peak signal to noise ratio in dB, at most `MOST_DECIBELS`."""
    import_matplotlib()  # which torchmetrics imports
    from torchmetrics.functional.image import peak_signal_noise_ratio

    found = peak_signal_noise_ratio(_images(frames), _images(real), 1.0, reduction="none", dim=(1, 2, 3))
    return found.clamp(max=MOST_DECIBELS).double().numpy()


def ms_ssim(frames: Frames, real: Frames) -> np.ndarray:
    """Multi-scale structural similarity (Wang et al. 2003) of the frames in grey, over three scales, at most 1."""
    import_matplotlib()  # which torchmetrics imports
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    weights = tuple(weight / sum(_SCALES) for weight in _SCALES)
    found = multiscale_structural_similarity_index_measure(
        _grey(frames), _grey(real), data_range=1.0, betas=weights, reduction="none", normalize="relu"
    )
    assert isinstance(found, torch.Tensor)
    return found.double().numpy()


def _images(frames: Frames) -> torch.Tensor:
    return to_float(torch.from_numpy(frames)).contiguous()


def _grey(frames: Frames) -> torch.Tensor:
    return (_images(frames) * torch.tensor(_GREY)[:, None, None]).sum(1, keepdim=True)
