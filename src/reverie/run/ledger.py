"""The ledger of a run: what was driven in the real world, and what for, in the run itself and in those before it.

The final score on test tracks is apart, since nothing follows from it; its frames stand in evaluation.json.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from reverie.run.folder import RunFolder
from reverie.run.manifest import RECIPE


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Simulator frames by what they were driven for, and decisions that were only dreamt."""

    collecting: int = 0
    """For V and M to learn from."""
    learning: int = 0
    """For C to learn from, on the road."""
    measuring: int = 0
    """For what an agent scores on the way, which V and M learn from, too."""
    selecting: int = 0
    """For who is kept. A search on the road books its validation drives as learning."""
    dreamt: int = 0
    """Decisions in dreams, which cost no frame."""

    @property
    def frames(self) -> int:
        """All that was driven."""
        return self.collecting + self.learning + self.measuring + self.selecting

    def __add__(self, other: "Ledger") -> "Ledger":
        return Ledger(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})

    def text(self) -> str:
        """For people, in a line."""
        kinds = ("collecting", "learning", "measuring", "selecting")
        parts = ", ".join(f"{getattr(self, kind):,} {kind}" for kind in kinds if getattr(self, kind))
        dreamt = f"; {self.dreamt:,} dreamt decisions" if self.dreamt else ""
        return f"{self.frames:,} simulator frames{f' ({parts})' if parts else ''}{dreamt}"


def own_ledger(run: RunFolder) -> Ledger:
    """Of the run alone, without what was trained before it."""
    collect, controller, evaluate = (_facts(run, name) for name in ("collect", "controller", "evaluate"))
    return Ledger(
        collecting=_rest(collect),
        learning=_rest(controller),
        measuring=sum(stage.get("measuring_frames", 0) for stage in (collect, controller)),
        selecting=sum(stage.get("selecting_frames", 0) for stage in (controller, evaluate)),
        dreamt=controller.get("dreamt", 0),
    )


def ledger(run: RunFolder) -> Ledger:
    """Of the run and all that was trained before it, as far as it has come."""
    return own_ledger(run) + _before(run)


def forerunner_facts(run: RunFolder) -> dict[str, Any]:
    """What the manifest keeps of the run that was trained before this one, since that need not stay beside it."""
    if not (forerunner := _forerunner(run)):
        return {}
    return {"forerunner_minutes": minutes(forerunner), "forerunner": asdict(ledger(forerunner))}


def minutes(run: RunFolder) -> float:
    """Wall time of the run and all that was trained before it."""
    own = sum(stage["seconds"] for stage in run.manifest["stages"].values()) / 60
    facts = _facts(run, "collect")
    before = facts.get("forerunner_minutes", facts.get("scout_minutes"))
    if before is None:
        before = minutes(forerunner) if (forerunner := _forerunner(run)) else 0.0
    return round(own + before, 3)


def _before(run: RunFolder) -> Ledger:
    """Of what was trained before the run."""
    facts = _facts(run, "collect")
    if "forerunner" in facts:
        return Ledger(**facts["forerunner"])
    if "scout_frames" in facts:  # an earlier version kept no more of a scout, most of whose frames its search took
        return Ledger(learning=facts["scout_frames"])
    return ledger(forerunner) if (forerunner := _forerunner(run)) else Ledger()


def _forerunner(run: RunFolder) -> RunFolder | None:
    """What is trained before the run, where that has begun."""
    path = run.forerunner
    return RunFolder.open(path) if path and (path / RECIPE).is_file() else None


def _rest(stage: Mapping[str, int]) -> int:
    """Frames of a stage that are for what it is there for."""
    return stage.get("frames", 0) - stage.get("measuring_frames", 0) - stage.get("selecting_frames", 0)


def _facts(run: RunFolder, stage: str) -> Mapping[str, Any]:
    return run.manifest["stages"].get(stage, {})
