"""Worlds of a few pixels, and episodes of them as others keep them."""

from pathlib import Path

import numpy as np
import pytest

from reverie.envs.config import EnvConfig

WORLDS = Path(__file__).parents[1] / "worlds"
BOX, CHOICE = (EnvConfig(id=f"tinypix:{name}-v0", action_repeat=2) for name in ("TinyPix", "TinyChoice"))
"""Pictures of 48 x 30 in colour, and two numbers as an action; grey ones of 40 x 30 in a Dict, and one of three
categories."""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(WORLDS))


def rows(n: int, *, extra: int = 0, end_at: int | None = None) -> dict[str, np.ndarray]:
    """n decisions in TinyPix as the old code bases write them: of each its number is its reward, and in its picture."""
    obs = np.zeros((n + extra, 48, 30, 3), np.uint8)
    obs += np.arange(n + extra, dtype=np.uint8)[:, None, None, None]
    action = np.stack([np.linspace(-2, 2, n), np.full(n, 5.0)], 1)
    done = np.arange(n) == (n if end_at is None else end_at)
    return {"obs": obs, "action": action, "reward": np.arange(n, dtype=np.float64), "done": done}
