"""How far evolution strategies come on functions whose answer is known: `python -m bench.strategies`.

800 parameters, 32 candidates, each strategy with its defaults. Prints the share of the initial error that is left at
the center after 400 and 1,000 generations, and milliseconds a generation.
"""

import time

import numpy as np

from reverie.evolution.cma import CmaConfig
from reverie.evolution.ga import GaConfig
from reverie.evolution.openes import OpenEsConfig
from reverie.evolution.pepg import PepgConfig
from reverie.evolution.strategies import StrategyConfig, make_strategy

NUM_PARAMS, POPULATION = 800, 32
NOISE = 5.0
"""Deviation of the noisy sphere's noise: far more than what candidates differ by."""
TARGET = 0.3 * np.random.default_rng(7).normal(size=NUM_PARAMS)
SCALES = {"sphere": np.ones(NUM_PARAMS), "ellipsoid": 10 ** np.linspace(-1, 1, NUM_PARAMS)}
STRATEGIES: dict[str, tuple[StrategyConfig, tuple[int, ...]]] = {
    "cma": (StrategyConfig(name="cma", cma=CmaConfig(population=POPULATION)), (400,)),
    "cma, diagonal": (StrategyConfig(cma=CmaConfig(population=POPULATION, diagonal=True)), (400, 1000)),
    "pepg": (StrategyConfig(name="pepg", pepg=PepgConfig(population=POPULATION)), (400, 1000)),
    "pepg, elites": (
        StrategyConfig(name="pepg", pepg=PepgConfig(population=POPULATION, elite_ratio=0.1)),
        (400, 1000),
    ),
    "openes": (StrategyConfig(name="openes", openes=OpenEsConfig(population=POPULATION)), (400, 1000)),
    "ga": (StrategyConfig(name="ga", ga=GaConfig(population=POPULATION)), (400, 1000)),
}


def error(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Of vectors (n, p) -> (n,)."""
    return (scale * np.square(x - TARGET)).sum(-1)


def search(config: StrategyConfig, generations: tuple[int, ...], scale: np.ndarray, noise: float) -> list[np.ndarray]:
    """Centers after so many generations of a search for the least error."""
    strategy, rng, centers = make_strategy(config, NUM_PARAMS, np.random.default_rng(0)), np.random.default_rng(1), []
    for generation in range(1, generations[-1] + 1):
        candidates = strategy.ask()
        strategy.tell(candidates, noise * rng.normal(size=len(candidates)) - error(candidates, scale))
        if generation in generations:
            centers.append(strategy.center)
    return centers


def main() -> None:
    """Prints a line for each strategy and function."""
    for name, (config, generations) in STRATEGIES.items():
        for where, shape, noise in (
            ("sphere", "sphere", 0.0),
            ("noisy sphere", "sphere", NOISE),
            ("ellipsoid", "ellipsoid", 0.0),
        ):
            scale, started = SCALES[shape], time.monotonic()
            centers = search(config, generations, scale, noise)
            shares = [float(error(center, scale) / error(np.zeros(NUM_PARAMS), scale)) for center in centers]
            cost = 1e3 * (time.monotonic() - started) / generations[-1]
            shown = " ".join(f"{share:.3f}" for share in shares)
            print(f"{name:14} {where:13} {shown:12} {cost:.1f} ms a generation", flush=True)


if __name__ == "__main__":
    main()
