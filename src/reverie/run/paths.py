"""Where things are in the folder of a run."""

from pathlib import Path

from reverie.dream.moments import DREAM
from reverie.errors import UserError
from reverie.metrics import METRICS
from reverie.models.files import CONTROLLER, MEMORY, SHIPPED, VISION, packaged
from reverie.models.packed import archive_of
from reverie.run.manifest import NAME, RECIPE


def require_own_place(path: Path) -> None:
    """Raises UserError where a new run would lie inside another one, of which a stage may remove all that is there, or
    where this system has no such place."""
    try:
        around = path.resolve().parents
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, or letters that this system's names lack
        raise UserError(f"{path} cannot be a folder here ({error}): choose another", usage=True) from error
    for folder in around:
        if (folder / RECIPE).is_file() and (folder / NAME).is_file():
            raise UserError(f"{path} lies inside the run {folder}: choose another folder", usage=True)


class RunPaths:
    """The paths of a run, and its name."""

    path: Path

    @property
    def name(self) -> str:
        """How a user names this run, for people to read: bytes of a path that are no letters are written as
        `\\udcff`."""
        named = archive_of(self.path) or (self.path.name if self.is_packaged else self.path)
        return str(named).encode(errors="backslashreplace").decode()

    @property
    def is_packaged(self) -> bool:
        """Whether this is a run that ships, in the package or as an archive, which is only read."""
        return self.path in map(packaged, SHIPPED) or archive_of(self.path) is not None

    @property
    def rounds(self) -> Path:
        """Where the rounds before the last one are."""
        return self.path.resolve().parent if self.is_earlier_round else self.path / "rounds"

    @property
    def is_earlier_round(self) -> bool:
        """Whether it is one of the rounds of another run, but not the last."""
        parent = self.path.resolve().parent
        return parent.name == "rounds" and (parent.parent / RECIPE).is_file()

    scout = property(lambda self: self.path / "scout")
    rollouts = property(lambda self: self.path / "rollouts")
    latents = property(lambda self: self.path / "latents")
    vision = property(lambda self: self.path / VISION)
    memory = property(lambda self: self.path / MEMORY)
    dream = property(lambda self: self.path / DREAM)
    controller = property(lambda self: self.path / CONTROLLER)
    evolution = property(lambda self: self.path / "evolution")
    laps = property(lambda self: self.path / "laps")
    evaluation = property(lambda self: self.path / "evaluation.json")
    evaluations = property(lambda self: self.path / "evaluations")
    pictures = property(lambda self: self.path / "pictures")
    metrics = property(lambda self: self.path / METRICS)
    videos = property(lambda self: self.path / "videos")
    report = property(lambda self: self.path / "report.html")
