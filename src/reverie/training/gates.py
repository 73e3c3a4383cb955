"""Gates between the stages: what a finished stage has come to, where the next would only spend time on it.

Nothing is said of a stage that had too little work to be judged by: an M of no steps is an ablation, and `debug` is to
show that all works.
"""

from reverie.errors import UserError
from reverie.notes import note
from reverie.run.folder import RunFolder
from reverie.run.stages import LENGTHS

ENOUGH_STEPS = 100
"""Steps of a fit from which on it is judged."""
_LENGTHS_OF_C = {
    ("first", "search"): "controller.search.generations",
    ("first", "imagine"): "controller.imagine.steps",
    ("later", "search"): "rounds.generations",
    ("later", "imagine"): "rounds.imagine_steps",
}
"""The setting that says for how long C learns, by round and learner."""


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
        case "memory" if not run.stage("vision").get("held_out_collapse") and (least := _least_foresight(facts)) <= 0:
            return (
                "M foresees nothing: the next latent that it expects is no nearer to the real one than the last latent "
                f"and the mean one are (foresight {least:.2f} on held-out episodes)"
            )
        case "controller" if still := facts.get("stood_still"):
            return f"C has learned nothing: {still}"
        case _:
            return ""


def _least_foresight(facts: dict[str, object]) -> float:
    """Of all members of M; 1 where nobody has measured it, or nothing moves."""
    found = [value for key, value in facts.items() if key.endswith("foresight") and isinstance(value, float)]
    return min(found, default=1.0)


def _cure(run: RunFolder, stage: str) -> str:
    if run.is_earlier_round:
        again = f"reverie collect --run {run.rounds.parent} --again --set {stage}.KEY=VALUE"
        return f"begin all rounds anew with other settings (`{again}`)"
    command = f"reverie {stage} --run {run.path}"
    longer, anew = f"{command} {_longer(run, stage)}", f"{command} --again --set {stage}.KEY=VALUE"
    return f"train it for longer (`{longer}`), or make it anew with other settings (`{anew}`)"


def _longer(run: RunFolder, stage: str) -> str:
    """What lets the finished stage go on."""
    if stage in LENGTHS:
        return f"--continue {LENGTHS[stage].upper()}"
    group = "later" if run.recipe.rounds.num > 1 else "first"
    return f"--set {_LENGTHS_OF_C[group, run.recipe.controller.learner]}=MORE"
