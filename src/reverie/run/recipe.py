"""A recipe: everything a run depends on. The components' own configs, and the budget of each stage."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from reverie.agent import AgentConfig
from reverie.devices import MAX_PROCESSES, Precision
from reverie.envs.config import EnvConfig
from reverie.errors import UserError
from reverie.interchange.npz import NpzRewards
from reverie.models.controller import ControllerConfig
from reverie.models.mdn_rnn import MemoryConfig
from reverie.models.vision import VisionConfig
from reverie.run.dreams import DreamsConfig
from reverie.run.imagine import ImagineConfig
from reverie.run.rounds import RoundsConfig
from reverie.run.search import SearchConfig
from reverie.run.shares import Share, check_together
from reverie.seeding import TEST_TRACKS
from reverie.types import Device, NotNegative, Positive


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """Driving from which V and M learn the world: at random, and by an agent that there is already."""

    policy: Literal["menu", "walk", "mixed", "networks", "random"] = "walk"
    """The report's action menu, a smooth random walk or half of each, which know how a car is driven; random V, M and
    C (paper), or every action as often as another, which know any world."""
    episodes: Annotated[int, Ge(2), Le(1_000_000)] = 200
    """Episodes to collect; the last ones are held out."""
    steps: Annotated[int, Ge(2), Le(100_000)] = 250
    """Decisions of an episode at most."""
    hold: Positive = 5
    """Decisions that the menu holds an action, or over which the walk forgets."""
    push: NotNegative = 0
    """Decisions of full gas at the start of an episode."""
    starts: Literal["line", "structured", "random", "beside"] = "line"
    """Cars start on the starting line, on a grid of places and headings over the lap, anywhere on the road, or on the
    grass beside it."""
    stall_decisions: NotNegative = 0
    """An episode ends after this many decisions without progress, since grass teaches little; 0 for never."""
    agent: str = ""
    """A finished run whose agent drives a share of the episodes: its folder, or `pretrained` or `dreamt`,
    which ship; empty for none. A relative path starts where the command is run, and the new run keeps it in full."""
    scout: str = ""
    """A recipe that is run first, up to its controller, in the folder `scout` of the run, for its agent to take part
    instead: V and M then learn from driving like that which C will do (the paper's iterative training, section 5). It
    may have a scout itself."""
    agent_share: Share = 0.5
    """Share of the episodes that the agent drives, spread evenly among the others."""
    agent_noise: Annotated[float, Ge(0), Le(100)] = 0.3
    """Noise on its steering and pedals, which it forgets over `hold` decisions: each episode draws its standard
    deviation from 0 up to this."""
    agent_steps: Annotated[int, Ge(0), Le(100_000)] = 0
    """Decisions of an episode of the agent at most; 0 for as many as `steps`."""
    from_minari: str = ""
    """A dataset that Minari has on this machine: all its episodes are taken in, and in a first round nothing is driven.
    A row of it is a decision, of `env.action_repeat` frames."""
    from_npz: str = ""
    """The same of a folder of `.npz` files, an episode each: obs, action, reward and done, as the old code bases write
    them."""
    npz_rewards: NpzRewards = "of_action"
    """What the reward and the end in a row of those files came of, where there are as many observations as actions: of
    the action in that row, or, `with_obs`, of the one before, together with the observation, as the course report's
    code has it."""

    def __post_init__(self) -> None:
        given = [key for key in ("agent", "scout", "from_minari", "from_npz") if getattr(self, key)]
        if len(given) > 1:
            raise UserError(
                f"collect.{given[0]} and collect.{given[1]} are two ways to say where episodes come from: leave one "
                "empty",
                usage=True,
            )

    @property
    def is_taken(self) -> bool:
        """Whether episodes of others are taken in."""
        return bool(self.from_minari or self.from_npz)


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a model is fitted."""

    optimizer: Literal["adam", "rmsprop"] = "adam"
    """Adam, or RMSProp with a memory of 0.9 (Larsen et al. 2016)."""
    learning_rate: Annotated[float, Gt(0), Le(1e3)] = 1e-3
    """Of the optimizer, at the start."""
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    """Memory of Adam for gradients; against a discriminator, 0.5 is the custom."""
    schedule: Literal["constant", "cosine", "power"] = "constant"
    """Whether the learning rate stays, falls to zero along half a cosine, or by the share of the steps that are done to
    the power of 0.75 (Larsen et al. 2016)."""
    batch_size: Annotated[int, Gt(0), Le(100_000)] = 100
    """Images, or sequences, of a step."""
    clip: Annotated[float, Ge(0), Le(1e9)] = 0.0
    """Largest norm of the gradient; 0 for no limit."""
    precision: Precision = "auto"
    """Arithmetic of the matrix products; weights and losses are always fp32."""


@dataclass(frozen=True, kw_only=True)
class VisionStage(VisionConfig):
    """V: network, loss and budget."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(learning_rate=1e-4))
    epochs: Positive = 10
    """Passes over the frames."""
    mirror: bool = False
    """Whether each frame is shown mirrored half of the time: CarRacing turns left three times as often as right."""


@dataclass(frozen=True, kw_only=True)
class MemoryStage:
    """M: network, loss and budget."""

    model: MemoryConfig = field(default_factory=MemoryConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    steps: NotNegative = 4000
    """Gradient steps; 0 leaves M as it was born, with random weights (an ablation)."""
    mirror: bool = False
    """Whether half of the sequences, and half of the moments at which dreams begin, are seen in a mirror, with actions
    to match: twice as many roads from the same driving."""
    latent_noise: Share = 1.0
    """How much of V's own uncertainty is in the latents that M reads and foresees: 1 draws them anew for each batch,
    as the paper does; 0 gives M their means, which are what C sees at the wheel, so that a dream is as clear as the
    road."""
    length: Annotated[int, Gt(0), Le(10_000)] = 250
    """Decisions of a training sequence."""
    to_ends: bool = False
    """Whether the last decision of an episode is in as many sequences as one in its middle: a sequence may then begin
    at any decision, and goes no further than the episode. Otherwise it begins where it has room, few sequences reach
    the end, and M believes that ends are rarer than they are."""
    failures_end: bool = False
    """Whether M takes a failure for an end: where the driver got on no more for long, or was put out of the world, the
    episode ended with the last decision that got on. Then a dream is over where its driver comes off, and M need not
    know what follows."""
    eval_every: Positive = 500
    """Steps between two measurements on held-out episodes; the best M of them is kept."""
    patience_evals: NotNegative = 0
    """Training ends after so many measurements without a better one; 0 to take every step."""
    members: Annotated[int, Gt(0), Le(100)] = 1
    """M's, trained one after another from other weights on other batches: the first is the agent's, and where they
    disagree, dreams are to be doubted."""
    dream_starts: Annotated[int, Gt(0), Le(100_000)] = 256
    """Moments of the driving, with M's state at each, that are kept for dreams to begin at."""
    dream_failures: Share = 0.0
    """Share of them that lie shortly before the driver failed: got on no more for long, or was put out of the world."""
    dream_stuck: Share = 0.0
    """Share of them at which the driver had failed and did not get on, but stands or is lost. In a dream noise may free
    it, on the road nothing does: so C has to learn to go on from there."""

    def __post_init__(self) -> None:
        if self.failures_end and self.dream_stuck:
            raise UserError(
                "memory.failures_end has no dream begin after a failure, but memory.dream_stuck asks for some: set one "
                "of them to 0 or false",
                usage=True,
            )
        shares = {"memory.dream_failures": self.dream_failures, "memory.dream_stuck": self.dream_stuck}
        check_together(shares, "moments")


@dataclass(frozen=True, kw_only=True)
class ControllerStage:
    """C: its shape, who learns it, and the settings of each learner."""

    model: ControllerConfig = field(default_factory=ControllerConfig)
    learner: Literal["search", "imagine"] = "search"
    """How C learns: by a search on the return alone, or by gradient in M's dreams."""
    world: Literal["road", "dream"] = "road"
    """Where C drives while it is searched for, or evaluated by `imagine`: in the run's environment, or in what M makes
    of it, without a frame of it."""
    dream: DreamsConfig = field(default_factory=DreamsConfig)
    """Dreams to learn in, and to be evaluated in; those of `imagine` have a horizon of their own."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """The evolutionary search; `imagine`, too, begins as `search.start` says and chooses as `search.finals` says."""
    imagine: ImagineConfig = field(default_factory=ImagineConfig)
    """Learning in dreams."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The final score, on test tracks and Gymnasium's own rendering."""

    tracks: Annotated[int, Gt(0), Le(len(TEST_TRACKS))] = 30
    """Test tracks."""
    first_seed: NotNegative = 0
    """Track i is Gymnasium's reset(seed=first_seed + i)."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run."""

    name: str
    """Name of the recipe."""
    description: str
    """What it is for, in a line."""
    seed: Annotated[int, Ge(0), Lt(2**53)] = 0
    """From which every generator of the run follows. Every reader of JSON knows such numbers."""
    workers: Annotated[int, Ge(-1), Le(MAX_PROCESSES)] = -1
    """Processes that run episodes; -1 for one a core, 0 for none but the main one. Results do not depend on it."""
    device: Device = "cpu"
    """Where V, M and dreams are computed, by those processes too: cuda, mps, or auto for what there is. Another device
    rounds otherwise and draws other noise, and so makes another run."""
    env: EnvConfig = field(default_factory=EnvConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    collect: CollectConfig = field(default_factory=CollectConfig)
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    vision: VisionStage = field(default_factory=VisionStage)
    memory: MemoryStage = field(default_factory=MemoryStage)
    controller: ControllerStage = field(default_factory=ControllerStage)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self) -> None:
        if self.env.max_frames <= self.env.action_repeat:
            raise UserError(
                f"env.max_frames = {self.env.max_frames} ends an episode with its first decision, of "
                f"env.action_repeat = {self.env.action_repeat} frames: M learns from two in a row, so give more",
                usage=True,
            )
        if self.controller.learner == "imagine" and self.memory.model.reward.head == "none":
            raise UserError(
                "controller.learner = imagine learns by the rewards that M expects: set memory.model.reward.head = "
                "two_hot, value or sign, or controller.learner = search",
                usage=True,
            )
        if self.controller.learner == "imagine":
            search = self.controller.search
            for key, given in (("minutes", search.minutes), ("finals.retrain", search.finals.retrain)):
                if given:
                    raise UserError(
                        f"controller.search.{key} is of the learner search alone: leave it out, or set "
                        "controller.learner = search",
                        usage=True,
                    )
        if self.controller.world == "dream" or self.controller.learner == "imagine":
            self.controller.dream.check(self.memory.members, self.memory.model.reward.head)
        start = self.controller.search.start
        if start.directions and not self.controller.model.bias:
            raise UserError(
                "controller.search.start.directions centres what C reads, which takes a bias: set directions = 0, or "
                "controller.model.bias = true",
                usage=True,
            )
        if start.imitate and not self.has_agent:
            raise UserError(
                "controller.search.start.imitate: nobody to imitate, since no agent takes part in collecting: set "
                "collect.scout or collect.agent, more rounds.num than 1, or imitate = false",
                usage=True,
            )
        if self.rounds.num > 1:
            for key, value in (("collect.agent", self.collect.agent), ("collect.scout", self.collect.scout)):
                if value:
                    raise UserError(
                        f"{key} and rounds.num = {self.rounds.num} are two ways to say who drives: leave out the one, "
                        "or the other",
                        usage=True,
                    )
            if start.init_from:
                raise UserError(
                    f"controller.search.start.init_from is a controller for one V and M, and rounds.num = "
                    f"{self.rounds.num} makes several: leave it out (imitate = true begins at the last driver)",
                    usage=True,
                )

    @property
    def has_agent(self) -> bool:
        """Whether an agent takes part in collecting."""
        return bool(self.collect.agent) or self.has_forerunner

    @property
    def has_forerunner(self) -> bool:
        """Whether a run in this one's folder is trained first, for its agent: a scout, or the round before."""
        return bool(self.collect.scout) or self.rounds.num > 1

    def by_agent(self, episodes: int) -> int:
        """How many of the first `episodes` the agent drives: its share of however many, to within one."""
        return int(episodes * self.collect.agent_share) if self.has_agent else 0
