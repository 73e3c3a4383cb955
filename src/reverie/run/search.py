"""The settings of the search for C, in groups: each is given to the part of the search that it is about."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le

from reverie.errors import UserError
from reverie.evolution.strategies import StrategyConfig
from reverie.types import NotNegative, Positive

NumTracks: TypeAlias = Annotated[int, Gt(0), Le(10_000)]


@dataclass(frozen=True, kw_only=True)
class TracksConfig:
    """The training tracks that candidates drive."""

    num: NumTracks = 4
    """Tracks that each candidate drives; new ones each generation."""
    double_every: NotNegative = 0
    """Generations after which their number doubles, since good candidates differ by less than few tracks can tell; 0
    for never."""
    max: NumTracks = 16
    """Tracks at most, however they are added."""
    signal_to_noise: Annotated[float, Ge(0), Le(1e6)] = 0.0
    """Tracks are added instead as the search needs them: as many as make the candidates' fitness differ, in variance,
    by this many times the noise that is left in it; 0 for no such rule."""
    common: Literal["all", "halves", "none"] = "all"
    """Who drives the same tracks in a generation: all candidates, the two of a pair (see `Strategy.pairs`: the report's
    antithetic seeds), or nobody."""


@dataclass(frozen=True, kw_only=True)
class FinalsConfig:
    """How the controller that is kept is chosen: by evaluations of the center on the way, and finals among the best."""

    eval_every: Positive = 25
    """Generations between two evaluations of the center on validation tracks."""
    eval_tracks: NumTracks = 16
    """Validation tracks of such an evaluation."""
    retrain: bool = False
    """Whether the search goes back to the best evaluated center when an evaluation is worse (the report's option)."""
    finalists: Annotated[int, Ge(0), Le(1000)] = 4
    """How many of the evaluated centers, those with the best scores, drive in the finals; and as many means of some."""
    spread: Annotated[int, Ge(0), Le(1000)] = 0
    """How many centers, spread evenly from where the search began to its end, drive there whatever they scored: a dream
    that was searched for too long does not say so."""
    average: Annotated[int, Ge(2), Le(1000)] = 4
    """Centers evaluated in a row of which such a mean is made: the noise of single generations falls out of it."""
    tracks: NumTracks = 64
    """Validation tracks of the finals, which no evaluation has seen."""
    halving: NotNegative = 0
    """Tracks after which only the better half of the finalists drives on, and again whenever they have driven twice as
    many (successive halving); 0 to let all drive to the end."""
    world: Literal["same", "road"] = "same"
    """Where the finals are driven: where the search went, or on the road, where that was a dream."""
    record: bool = False
    """Whether finals on the road are driven on training tracks, and kept as episodes for the next round to learn from:
    who drives badly there shows M what it did not know."""

    def __post_init__(self) -> None:
        if not self.finalists and not self.spread:
            raise UserError("controller.search.finals: nobody drives in them: give finalists, or spread", usage=True)
        if self.record and self.world != "road":
            raise UserError(
                "controller.search.finals.record keeps drives on the road: set controller.search.finals.world = road",
                usage=True,
            )


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """Where the search begins, and along what it goes."""

    init_from: str = ""
    """A controller made for the same V and M, at which the search begins: its file, or the folder of its run; empty to
    begin at zero. A relative path starts where the command is run, and the run keeps it in full."""
    imitate: bool = False
    """Whether the search begins at the C that does most nearly what the agent that took part in collecting would do."""
    directions: Annotated[int, Ge(0), Le(100_000)] = 0
    """Principal directions of C's inputs along which it is searched for, each scaled to variance 1; 0 to search in its
    parameters as they are."""

    def __post_init__(self) -> None:
        if self.imitate and self.init_from:
            raise UserError(
                "controller.search.start has init_from and imitate, two ways to begin: leave one out", usage=True
            )

    @property
    def is_zero(self) -> bool:
        """Whether it begins at zero."""
        return not (self.init_from or self.imitate)


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The learner `search`: evolution on the return of training tracks."""

    generations: Annotated[int, Gt(0), Le(1_000_000)] = 200
    """Generations at most."""
    minutes: Annotated[float, Ge(0), Le(1e6)] = 0.0
    """Wall time at most, over all sittings; 0 for no limit. With one, what is found depends on the machine."""
    fitness: Literal["mean", "min"] = "mean"
    """What counts of a candidate's returns: their mean, or the worst of them."""
    race: Annotated[float, Ge(0), Le(1e3)] = 0.0
    """Candidates this many standard errors behind the median after two, four, eight tracks drive no more; 0 to let
    all drive to the end."""
    stall_decisions: NotNegative = 0
    """A training episode ends after this many decisions without progress; 0 for never."""
    cap_length: Annotated[float, Ge(0), Le(1e3)] = 0.0
    """A training episode lasts at most this many times the mean length of the generation before (the report's
    `cap_time` has 2); 0 for no cap."""
    tracks: TracksConfig = field(default_factory=TracksConfig)
    """What candidates drive."""
    finals: FinalsConfig = field(default_factory=FinalsConfig)
    """Who is kept."""
    start: StartConfig = field(default_factory=StartConfig)
    """Where the search begins."""
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    """Who proposes candidates."""

    def __post_init__(self) -> None:
        if self.race and (self.fitness == "min" or self.tracks.common != "all"):
            raise UserError(
                "controller.search.race compares means on common tracks: set controller.search.fitness = mean and "
                "controller.search.tracks.common = all, or race = 0",
                usage=True,
            )
