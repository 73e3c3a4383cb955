"""The settings of rounds: what one agent has learned drives for the next."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from reverie.run.shares import Share, check_together
from reverie.types import NotNegative, Positive


@dataclass(frozen=True, kw_only=True)
class RoundsConfig:
    """How often a run goes round (collect, V, M, C), and what rounds after the first do otherwise."""

    num: Annotated[int, Gt(0), Le(100)] = 1
    """Rounds. Each keeps all episodes of those before and adds its own, driven by the agent of the round before; V and
    M go on from its weights. Rounds before the last are whole runs in the folder `rounds` of the run."""
    episodes: Annotated[int, Ge(2), Le(1_000_000)] = 160
    """Episodes that a round adds beside its laps: of them `collect.agent_share` driven by the agent of the round before
    with shaking hands (`collect.agent_noise`), the others at random."""
    laps: Annotated[int, Ge(0), Le(10_000)] = 16
    """Laps that this agent drives with steady hands from the starting line to their end: more episodes to learn from,
    and what it scores."""
    failures: Share = 0.0
    """Share of the episodes, of either driver, that begin a little before the places where the agent of the round
    before came off in its own collecting; as `collect.starts` says where it did not."""
    beside: Share = 0.0
    """Share of them that begin at rest on the grass beside the road."""
    stall_decisions: NotNegative = 0
    """Decisions without progress after which those two kinds end, so that M sees what standing means, and coming back;
    0 for as many as `collect.stall_decisions`."""
    vision_epochs: NotNegative = 1
    """Epochs of V in a round after the first; 0 to leave it as the first round made it."""
    vision_tolerance: Annotated[float, Ge(0), Le(1e6)] = 0.05
    """V stays as it is, and M's latents with it, where its error on held-out frames of the new round is at most this
    share above its own when it was last trained."""
    memory_steps: NotNegative = 2000
    """Gradient steps of each M in a round after the first."""
    latent_noise: Share = 1.0
    """`memory.latent_noise` of a round after the first: M's that know little need the noise, later ones do not."""
    newest: Share = 0.0
    """Share of M's training sequences that is drawn from the newest round alone; 0 to draw all from all rounds."""
    generations: Annotated[int, Gt(0), Le(1_000_000)] = 40
    """Generations of the search for C in a round after the first, at most."""
    imagine_steps: Positive = 500
    """Steps of the learner `imagine` in a round after the first."""
    doubt: Literal["all", "later", "last"] = "all"
    """Whose searches in dreams heed `controller.dream.doubt_cut` and `.doubt_cost`: those of all rounds, of all but the
    first, or the last one's alone. In the others C may go where M is unsure, and the next M learns from that."""
    finals_tracks: Annotated[int, Ge(0), Le(100_000)] = 0
    """`controller.search.finals.tracks` of the rounds before the last; 0 for as many as there."""
    finals_halving: NotNegative = 0
    """`controller.search.finals.halving` of the rounds before the last; 0 for as many tracks as there."""
    keep: Literal["last", "best"] = "last"
    """`best`: in the end the agents of all rounds drive on validation tracks (where finals were driven on the road, the
    best two by those), and the best is scored beside the last one, which stays the run's own."""
    keep_tracks: Annotated[int, Gt(0), Le(10_000)] = 16
    """Validation tracks that each of them drives."""

    def __post_init__(self) -> None:
        check_together({"rounds.failures": self.failures, "rounds.beside": self.beside}, "episodes")
