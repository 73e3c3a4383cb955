"""What is drawn where in a frame, by its exact colours: road, grass, kerb, and the edges of the road.

Shapes: n frames of (64, 64, 3) uint8; masks (n, 64, 64).
"""

import numpy as np

from reverie.types import Frames

ROAD, DARK_GRASS, LIGHT_GRASS, KERB, CAR = range(5)
_PALETTE = np.array(
    [
        (102, 102, 102),
        (102, 204, 102),
        (102, 230, 102),
        (255, 0, 0),
        (255, 255, 255),
        (255, 128, 128),
        (204, 0, 0),
        (0, 0, 0),
    ],
    np.int32,
)
"""Gymnasium's colours, and that of a kerb whose red and white blocks share a pixel."""
_CLASSES = np.array([ROAD, DARK_GRASS, LIGHT_GRASS, KERB, KERB, KERB, CAR, CAR], np.uint8)
GRID_CLASSES = ("road", "light grass", "kerb", "edges")
TOLERANCE = 1
"""Pixels by which a boundary may be off, along either axis, and still be found."""


def classes(frames: Frames) -> np.ndarray:
    """The nearest colour of Gymnasium's, by squared distance, as its class: (n, 64, 64) uint8."""
    # |x - p|^2 without |x|^2, which is the same for all p
    products = frames.reshape(-1, 3).astype(np.float32) @ _PALETTE.T.astype(np.float32)
    nearest = ((_PALETTE**2).sum(1) - 2 * products).argmin(1)
    return _CLASSES[nearest].reshape(frames.shape[:-1])


def road_mask(frames: Frames) -> np.ndarray:
    """Whether a pixel is road: (n, 64, 64) bool."""
    return classes(frames) == ROAD


def mask_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair of masks (n, 64, 64) -> (n,); 1 where both are empty."""
    union = (a | b).sum((1, 2))
    return np.where(union > 0, (a & b).sum((1, 2)) / np.maximum(union, 1), 1.0)


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels of masks (n, 64, 64) with a neighbour, above, below or beside, that is not in the mask; the frame's border
    is none."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="edge")
    inside = padded[:, 2:, 1:-1] & padded[:, :-2, 1:-1] & padded[:, 1:-1, 2:] & padded[:, 1:-1, :-2]
    return mask & ~inside


def boundary_f1(found: np.ndarray, true: np.ndarray, tolerance: int = TOLERANCE) -> np.ndarray:
    """F1 of the boundaries of masks (n, 64, 64) within `tolerance` pixels (Csurka et al. 2013) -> (n,); 1 where neither
    has one, 0 where only one has."""
    a, b = boundary(found), boundary(true)
    precision, recall = _share(a, _widen(b, tolerance)), _share(b, _widen(a, tolerance))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.where(~a.any((1, 2)) & ~b.any((1, 2)), 1.0, f1)


def _share(mask: np.ndarray, within: np.ndarray) -> np.ndarray:
    return (mask & within).sum((1, 2)) / np.maximum(mask.sum((1, 2)), 1)


def _widen(mask: np.ndarray, radius: int) -> np.ndarray:
    if radius == 0:
        return mask
    size = mask.shape[1]
    padded = np.pad(mask, ((0, 0), (radius, radius), (radius, radius)))
    wide = np.zeros_like(mask)
    for dy in range(2 * radius + 1):
        for dx in range(2 * radius + 1):
            wide |= padded[:, dy : dy + size, dx : dx + size]
    return wide


def grid_content(frames: Frames, parts: int) -> np.ndarray:
    """For each of parts x parts of a frame the shares of `GRID_CLASSES` but the last, and the mean strength of its
    edges (sum over colours of absolute differences to the next pixel, in [0, 6]): (n, 4, parts, parts)
    float32."""
    found = classes(frames)
    images = frames.astype(np.float32) / 255
    edges = np.zeros(frames.shape[:-1], np.float32)
    edges[:, :, :-1] += np.abs(np.diff(images, axis=2)).sum(-1)
    edges[:, :-1] += np.abs(np.diff(images, axis=1)).sum(-1)
    maps = [*((found == wanted).astype(np.float32) for wanted in (ROAD, LIGHT_GRASS, KERB)), edges]
    size = frames.shape[1] // parts
    pooled = [m.reshape(len(frames), parts, size, parts, size).mean((2, 4)) for m in maps]
    return np.stack(pooled, 1)
