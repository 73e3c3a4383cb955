"""Where C is searched for: in its parameters as they are, or along the directions in which what it reads varies.

Shapes: n candidates, p parameters of C, x coordinates of the search, i inputs of C, k directions, o outputs of its
first layer, d decisions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reverie.models.controller import Controller


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchSpace:
    """Coordinates of the search, which begins at zero, and the parameters of C that they stand for."""

    origin: np.ndarray
    """(p,) the parameters at zero."""
    basis: np.ndarray | None = None
    """(x, p) what each coordinate adds to the parameters; None where the coordinates are the parameters."""

    @property
    def num_coordinates(self) -> int:
        """Dimensions of the search."""
        return len(self.origin if self.basis is None else self.basis)

    def params(self, coordinates: np.ndarray) -> np.ndarray:
        """(n, x) -> (n, p)."""
        return self.origin + (coordinates if self.basis is None else coordinates @ self.basis)

    @classmethod
    def taken_from(cls, arrays: dict[str, Any]) -> "SearchSpace":
        """What `arrays` kept; they are taken out of those given, arrays or tensors."""
        basis = arrays.pop("space.basis", None)
        return cls(origin=np.asarray(arrays.pop("space.origin")), basis=None if basis is None else np.asarray(basis))

    def arrays(self) -> dict[str, np.ndarray]:
        """What to keep of it."""
        kept = {"space.origin": self.origin}
        return kept if self.basis is None else kept | {"space.basis": self.basis}


def principal_basis(controller: Controller, inputs: np.ndarray, num: int) -> np.ndarray:
    """(x, p): C's first layer reads the `num` principal components of the `inputs` (d, i), each scaled to variance 1,
    instead of the inputs; x is o * (k + 1), and the parameters of further layers as they are.

    Since those components are a linear map of the inputs, C stays what it is; but a step of the same length has the
    same effect in every coordinate, and those along which its inputs hardly vary are not searched at all.
    """
    i, o = controller.layers[:2]
    mean = inputs.mean(0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(inputs.T.astype(np.float64)))
    kept = [j for j in np.argsort(values)[::-1][:num] if values[j] > 1e-9 * values.max()]
    directions = (vectors[:, kept] / np.sqrt(values[kept])).T
    k, rest = len(kept), controller.num_params - o * (i + 1)
    basis = np.zeros((o * (k + 1) + rest, controller.num_params))
    for output in range(o):
        basis[output * k : (output + 1) * k, output * i : (output + 1) * i] = directions
        basis[output * k : (output + 1) * k, o * i + output] = -directions @ mean
        basis[o * k + output, o * i + output] = 1
    basis[o * (k + 1) :, o * (i + 1) :] = np.eye(rest)
    return basis
