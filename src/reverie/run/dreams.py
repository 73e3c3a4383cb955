"""The settings of dreams to learn in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from annotated_types import Ge, Gt, Le

from reverie.devices import Precision
from reverie.dream.ensemble import DoubtConfig
from reverie.dream.imagine import DreamConfig
from reverie.errors import UserError
from reverie.types import NotNegative

_Member = TypeVar("_Member")


@dataclass(frozen=True, kw_only=True)
class DreamsConfig:
    """Dreams as the tracks of a search: what a dream is, and whom to believe how long."""

    decisions: Annotated[int, Gt(0), Le(100_000)] = 100
    """Decisions of a dream at most."""
    temperature: Annotated[float, Ge(0), Le(100)] = 1.0
    """Of the mixture that the next latent is drawn from: 1 is what M believes, 0 its heaviest guess."""
    precision: Precision = "auto"
    """Arithmetic of M's matrix products in dreams."""
    members: Literal["first", "random"] = "first"
    """Of an ensemble, whose word comes true: the first M's, or at every decision that of a member drawn for it."""
    judge: bool = False
    """Whether the last of `memory.members` takes no part in the dreams of candidates, and alone evaluates the center:
    an M that nobody could learn to deceive. Otherwise those that take part do."""
    doubt_cut: Annotated[float, Ge(0), Le(1e6)] = 0.0
    """A dream ends where the members that take part disagree by more than this about the next latent (root mean square
    over z of their standard deviation); 0 for never."""
    doubt_cost: Annotated[float, Ge(0), Le(1e6)] = 0.0
    """Points that a decision costs for each unit of that doubt."""
    pace: Annotated[float, Ge(0), Le(100)] = 0.0
    """A dream is paid for each of its decisions no more, on average, than this many times what it takes to earn all
    there is just in time, or until all is earned: so speed is worth no more than on the road, where it saves frames
    alone. 0 for no such limit."""
    patience: NotNegative = 0
    """The search ends after so many evaluations of the center in a row without a better one; 0 for never."""
    road_tracks: Annotated[int, Ge(0), Le(10_000)] = 0
    """Validation tracks on the road that each evaluated center drives, too, to be looked at: nothing follows from it.
    Their frames are counted as such that measure."""

    @property
    def dreaming(self) -> DreamConfig:
        """How they are dreamt."""
        return DreamConfig(temperature=self.temperature, precision=self.precision, members=self.members)

    @property
    def doubt(self) -> DoubtConfig:
        """What becomes of those whose members disagree."""
        return DoubtConfig(cut=self.doubt_cut, cost=self.doubt_cost)

    def taking_part(self, ensemble: Sequence[_Member]) -> Sequence[_Member]:
        """Of all members in their order, those whose word or doubt counts in the dreams of candidates."""
        those = ensemble[:-1] if self.judge else ensemble
        return those if self.doubt or self.members == "random" else those[:1]

    def check(self, members: int, reward_head: str) -> None:
        """Raises UserError where an M of so many members, with such a head for rewards, cannot dream so."""
        if reward_head == "none":
            raise UserError(
                "controller.world = dream: an M without memory.model.reward.head says nothing of what a decision is "
                "worth: set it to two_hot or value",
                usage=True,
            )
        if self.judge and members < 2:
            raise UserError(
                "controller.dream.judge needs an M beside the one of the dreams: set memory.members = 2 or more",
                usage=True,
            )
        several = self.members == "random" or self.doubt
        if several and members - self.judge < 2:
            which = "members = random" if self.members == "random" else "doubt_cut and doubt_cost"
            beside = " beside the judge" if self.judge else ""
            raise UserError(
                f"controller.dream: {which} needs two M's or more{beside}: set memory.members = {2 + self.judge}",
                usage=True,
            )
