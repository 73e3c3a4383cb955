"""Charts of how true dreams are.

Shapes: m controllers or moments, n moments of the road, s decisions.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reverie.show.figure import OURS, PAPER, new_figure, plain, save_figure


def dream_error(
    path: Path,
    horizons: Sequence[int],
    dream: Mapping[str, Sequence[float]],
    still: Mapping[str, Sequence[float]],
    seen: Mapping[str, Sequence[float]],
    action_repeat: int,
) -> None:
    """How the error of what a probe reads off the dream grows with the time dreamt, beside that of the last frame
    before it and that of V alone."""
    figure = new_figure(12.5, 4.0)
    for axes, name in zip(figure.subplots(1, len(dream)), dream, strict=True):
        for values, label, color in (
            (still, "last real frame", PAPER),
            (dream, "dream", OURS),
            (seen, "real frame as V keeps it", "#6b7280"),
        ):
            axes.plot(horizons, values[name], "o-", color=color, label=label)
        axes.set_xscale("log")
        axes.set_xticks(horizons, [str(h) for h in horizons])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"decisions dreamt (of {action_repeat} frames)")
        axes.set_title(f"{name}: mean absolute error", loc="left", fontsize=11)
        plain(axes)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path)


def dream_returns(
    path: Path, dream: np.ndarray, real: np.ndarray, errors: tuple[np.ndarray, np.ndarray], *, title: str
) -> None:
    """Each controller's mean return in dreams (m,) against that on real tracks (m,), with the standard errors of both
    (in this order, each (m,))."""
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    axes.errorbar(real, dream, xerr=errors[1], yerr=errors[0], fmt="o", color=OURS, ecolor="#fdba74")
    low, high = min(real.min(), dream.min(), 0), max(real.max(), dream.max())
    axes.plot([low, high], [low, high], color=PAPER, linewidth=1, linestyle="--", label="as real")
    axes.set_xlabel("mean return on real tracks")
    axes.set_ylabel("mean return in dreams")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False)
    plain(axes)
    save_figure(figure, path)


def dream_states(path: Path, road: Mapping[str, np.ndarray], dream: Mapping[str, np.ndarray]) -> None:
    """What the same driver meets on the road (n, s) and in the dream (m, s), as it is read off either: of all moments,
    and of each drive the time with no wheel on the road."""
    figure = new_figure(12.5, 6.4)
    for axes, (name, label) in zip(
        figure.subplots(2, 2).flat,
        (
            ("curvature", "curvature of the road ahead [rad per unit]"),
            ("offset", "offset from the middle of the road"),
            ("speed", "speed [units a second]"),
            ("off", "share of a drive with no wheel on the road"),
        ),
        strict=True,
    ):
        both = [(one[name] > 0.5).mean(1) if name == "off" else one[name].ravel() for one in (road, dream)]
        low, high = (0, 1) if name == "off" else np.percentile(np.concatenate(both), (0.1, 99.9))
        bins = np.linspace(low, max(high, low + 1e-6), 33).tolist()
        for values, color, who in zip(both, (PAPER, OURS), ("road", "dream"), strict=True):
            weights = np.full(len(values), 1 / max(len(values), 1))
            axes.hist(values, bins=bins, weights=weights, color=color, alpha=0.55, label=who)
        axes.set_yscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("share of drives" if name == "off" else "share of moments")
        plain(axes)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)
