"""The settings of the learner `imagine`, in groups: each is given to the part that it is about."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

from reverie.errors import UserError
from reverie.run.shares import Share
from reverie.types import NotNegative, Positive, Width

Rate: TypeAlias = Annotated[float, Gt(0), Le(1e3)]
Std: TypeAlias = Annotated[float, Gt(0), Le(100)]


@dataclass(frozen=True, kw_only=True)
class ActorConfig:
    """C as a driver whose hands shake, and how it learns."""

    rate: Rate = 3e-3
    """Of Adam, in the coordinates that `controller.search.start` says C is searched for in."""
    gradient: Literal["likelihood", "model"] = "likelihood"
    """What moves C: how likely what it did was, times how good that turned out (any world), or the slope of the dream's
    return itself, through M (a world that M knows smoothly)."""
    entropy: Annotated[float, Ge(0), Le(1e3)] = 3e-4
    """What a nat of the actions' entropy is worth, beside returns that are scaled to about 1."""
    std: Std = 0.3
    """Standard deviation of the noise on C's outputs, before they are squashed, at the start; it is learned. Choices
    among categories are drawn by their softmax instead."""
    std_min: Std = 0.05
    """Least such deviation."""
    std_max: Std = 1.0
    """Greatest such deviation."""
    begins_at: NotNegative = 100
    """Steps that the critic learns alone first: without a critic, the horizon is all that counts."""

    def __post_init__(self) -> None:
        if not self.std_min < self.std < self.std_max:
            raise UserError(
                f"controller.imagine.actor: std = {self.std:g} must lie between std_min = {self.std_min:g} and std_max "
                f"= {self.std_max:g}",
                usage=True,
            )


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """Who says what a moment of a dream is worth, and how it learns."""

    hidden_size: Width = 128
    """Units of each of its two layers."""
    num_bins: Annotated[int, Ge(2), Le(1024)] = 255
    """Returns that it tells apart, evenly spaced in symlog."""
    rate: Rate = 1e-3
    """Of Adam."""
    slow: Annotated[float, Gt(0), Le(1)] = 0.02
    """Share of the critic that its slow copy takes over at each step. The critic is drawn to that copy."""


@dataclass(frozen=True, kw_only=True)
class ImagineConfig:
    """The learner `imagine`: an actor and a critic learn by gradient in dreams that begin at moments of the collected
    driving (as in Hafner et al. 2023, whose values are the defaults but for the rates)."""

    steps: Positive = 1000
    """Gradient steps."""
    batch: Annotated[int, Ge(2), Le(100_000)] = 512
    """Dreams of a step."""
    horizon: Annotated[int, Gt(0), Le(10_000)] = 15
    """Decisions of a dream; what comes after is the critic's word."""
    discount: Annotated[float, Ge(0), Lt(1)] = 1 - 1 / 333
    """What a reward is worth a decision later."""
    trace: Share = 0.95
    """The lambda of the returns: 0 believes the critic after one decision, 1 after the whole dream."""
    newest: Share = 0.5
    """Share of the dreams that begin in the newest quarter of the driving, beside those that begin anywhere."""
    clip: Annotated[float, Ge(0), Le(1e9)] = 1.0
    """Largest norm of the gradients of actor and critic, each; 0 for no limit."""
    eval_every: Positive = 50
    """Steps between two evaluations of C, without noise; the last of them is at the end."""
    actor: ActorConfig = field(default_factory=ActorConfig)
    """Who drives."""
    critic: CriticConfig = field(default_factory=CriticConfig)
    """Who says what that is worth."""
