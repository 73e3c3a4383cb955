"""Gates between the stages: what a finished stage has come to, where the next would only spend time on it.

Nothing is said of a stage that had too little work to be judged by: an M of no steps is an ablation, and `debug` is to
show that all works.
"""

from reverie.errors import UserError
from reverie.notes import note
from reverie.run.folder import RunFolder

ENOUGH_STEPS = 100
"""Steps of a fit from which on it is judged."""


def require_sound(run: RunFolder, stage: str, *, force: bool = False) -> None:
    """Raises UserError where the finished `stage` of the run has failed; with `force` that is only said."""
    fault = _fault(run, stage)
    if not fault:
        return
    if force:
        note(f"{run.path}: going on all the same (--force): {fault}")
        return
    raise UserError(f"{run.path}: {fault}; {_cure(run, stage)}, or go on all the same with --force")


def _fault(run: RunFolder, stage: str) -> str:
    """What is wrong with it, in words; empty for nothing."""
    facts = run.stage(stage)
    if stage in ("vision", "memory") and facts.get("steps", 0) < ENOUGH_STEPS:
        return ""
    match stage:
        case "vision" if collapse := facts.get("held_out_collapse"):
            return f"V has collapsed: {collapse}"
        case "memory" if (least := _least_foresight(facts)) is not None and least <= 0:
            return (
                "M foresees nothing: the next latent that it expects is no nearer to the real one than the last latent "
                f"or the mean one is (foresight {least:.2f} on held-out episodes)"
            )
        case "controller" if still := facts.get("stood_still"):
            return f"C has learned nothing: {still}"
        case _:
            return ""


def _least_foresight(facts: dict[str, object]) -> float | None:
    """Of all members of M; None where nobody has measured it."""
    found = [value for key, value in facts.items() if key.endswith("foresight") and isinstance(value, float)]
    return min(found, default=None)


def _cure(run: RunFolder, stage: str) -> str:
    if run.is_earlier_round:
        whole = run.rounds.parent
        return f"begin `reverie collect --run {whole} --again` with other settings (--set {stage}.KEY=VALUE)"
    anew = f"make it anew with other settings (`reverie {stage} --run {run.path} --again --set {stage}.KEY=VALUE`)"
    if stage == "memory":
        return f"train it for longer (`reverie memory --run {run.path} --continue STEPS`), or {anew}"
    return anew
