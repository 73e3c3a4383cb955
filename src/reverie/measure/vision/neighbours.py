"""How far a set of generated frames is from a set of real ones, in the features of a frozen network.

Shapes: n generated and m real frames, d features, g tracks. Frames of one track are alike and no independent draws, so
pairs of one track are left out everywhere, and the tracks are what an interval is taken over.
"""

import numpy as np
import torch
from torch import Tensor

from reverie.errors import UserError

NEIGHBOURS = 3
"""k of precision and recall (Kynkäänniemi et al. 2019, section 3)."""


def kernel_distance(
    fake: np.ndarray, real: np.ndarray, fake_track: np.ndarray, real_track: np.ndarray
) -> tuple[float, np.ndarray]:
    """KID: the unbiased squared MMD of fake (n, d) and real (m, d) under the kernel (x.y / d + 1)^3 (Bińkowski et al.
    2018, section 4), and its jackknife pseudo-values over the tracks of the fakes (g,), in their order.

    Pseudo-values (Tukey 1958) behave as independent measurements of the distance, one a track: their mean is the
    distance but for the bias of the jackknife, and their spread is its error's. With a track for each frame, it is the
    U-statistic of the paper.

    Raises UserError where the fakes are of fewer than 3 tracks: without one of them no pair of tracks is left.
    """
    x, y = torch.from_numpy(fake).double(), torch.from_numpy(real).double()
    _, group = np.unique(fake_track, return_inverse=True)
    g, counts = int(group.max()) + 1, np.bincount(group).astype(np.float64)
    if g < 3:
        raise UserError(f"KID is measured between tracks, and {g} of them are too few: give 3 or more", usage=True)
    member = torch.zeros(g, len(x), dtype=torch.float64)
    member[torch.from_numpy(group), torch.arange(len(x))] = 1
    blocks = (member @ _kernel(x, x) @ member.T).numpy()  # sums over the pairs of two tracks
    cross = (member @ _kernel(x, y).mean(1)).numpy()
    apart = torch.from_numpy(real_track[:, None] != real_track[None])
    constant = float(_kernel(y, y)[apart].mean())

    others = blocks.sum(1) - blocks.diagonal()
    total, pairs, n = others.sum(), len(x) ** 2 - (counts**2).sum(), len(x)
    distance = total / pairs + constant - 2 * cross.sum() / n
    without = (total - 2 * others) / (pairs - 2 * counts * (n - counts)) + constant
    without -= 2 * (cross.sum() - cross) / (n - counts)
    return float(distance), g * distance - (g - 1) * without


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def manifold(features: np.ndarray, track: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Distance of each of the features (m, d) to its k-th nearest of other tracks, (m,): the radii of the spheres that
    together stand for the manifold."""
    x = torch.from_numpy(features)
    distance = torch.cdist(x, x)
    distance[torch.from_numpy(track[:, None] == track[None])] = torch.inf
    return distance.kthvalue(k, dim=1).values.numpy()


def covered(points: np.ndarray, features: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Whether each of the points (n, d) lies in a sphere around one of the features (m, d), of its radius (m,): (n,)
    bool. Of generated points among real spheres the mean is precision, of real ones among generated, recall."""
    distance = torch.cdist(torch.from_numpy(points), torch.from_numpy(features))
    return (distance <= torch.from_numpy(radii)).any(1).numpy()
