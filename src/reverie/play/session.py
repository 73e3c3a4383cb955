"""Driving by hand, on the real road or in the dream, and from one to the other at the same moment; without a window.

Shapes: z latent, a action, p parameters of C; frames are (64, 64, 3) uint8.
"""

from collections.abc import Callable, Sequence, Set
from typing import Generic, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reverie.actions import ActionSpec, BoxActions, Sidestep, SteerGasBrake
from reverie.agent import Agent
from reverie.dream.dreamer import Dreamer
from reverie.dream.imagine import DreamConfig
from reverie.dream.moments import Moments
from reverie.dream.rollout import Dreaming, DreamObs
from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_vector_env
from reverie.errors import UserError
from reverie.lockstep import Act, Lockstep, Obs
from reverie.models.controller import Controller
from reverie.seeding import torch_generator
from reverie.types import Floats, Frames

Mode = Literal["real", "dream"]
Pedal = Literal["left", "right", "gas", "brake"]
PEDALS: tuple[Pedal, ...] = ("left", "right", "gas", "brake")
Command = Literal["switch", "autopilot", "warmer", "cooler", "anew", "pause"]
FULL = np.array([1.0, 1.0, 0.8])
"""Of steering, gas and brake, as Gymnasium's own keyboard has it: harder brakes block the wheels."""
RATES = np.array([3.0, 3.0, 4.0])
"""How far wheel and pedals move in a second while a key is held; back to rest they go twice as fast. Gymnasium's own
keyboard jumps to the end at once, and a car that is steered so spins: people cannot tap as fast as an agent acts."""
TEMPERATURE_STEP = 0.1


def turn(act: Floats, held: Set[Pedal], seconds: float) -> Floats:
    """The action (3,) after `act` (3,), when keys are held for so long: wheel and pedals move smoothly."""
    target = FULL * [("right" in held) - ("left" in held), "gas" in held, "brake" in held]
    reach = RATES * seconds * np.where((target == 0) | (target * act < 0), 2, 1)
    return np.clip(target, act - reach, act + reach).astype(np.float32)


def handled(actions: ActionSpec, act: Floats, held: Set[str], seconds: float) -> Floats:
    """The action (a,) after `act` (a,), when keys are held for so long: of a car by `turn`; of numbers in a box the
    first follows left and right, the second brake and gas; of steps aside left and right; of categories the digit that
    is held, or the first."""
    if isinstance(actions, Sidestep):
        return np.array([("right" in held) - ("left" in held)], np.float32)
    if isinstance(actions, SteerGasBrake):
        return turn(act, {key for key in PEDALS if key in held}, seconds)
    if isinstance(actions, BoxActions):
        target = np.zeros(actions.size)
        target[:2] = (("right" in held) - ("left" in held), ("gas" in held) - ("brake" in held))[: actions.size]
        reach = RATES[0] * seconds
        return np.clip(target, act - reach, act + reach).astype(np.float32)
    digits = [int(key) for key in held if key.isdigit()]
    outputs = torch.zeros(1, actions.size)
    outputs[0, max([digit for digit in digits if digit < actions.size], default=0)] = 1.0
    return actions.from_outputs(outputs)[0].numpy()


def held_keys(actions: ActionSpec) -> tuple[str, ...]:
    """The keys that `handled` heeds in a world."""
    if isinstance(actions, SteerGasBrake):
        return PEDALS
    return PEDALS[: 2 * actions.size] if isinstance(actions, BoxActions) else tuple("0123456789"[: actions.size])


def keys_of(actions: ActionSpec) -> tuple[str, str]:
    """Which keys act in a world, and what they do."""
    if isinstance(actions, SteerGasBrake):
        return "arrows, WASD", "steer, gas, brake"
    if isinstance(actions, Sidestep):
        return "arrows, WASD", "a step to that side"
    return ("arrows, WASD", "first two numbers") if isinstance(actions, BoxActions) else ("0 to 9", "which category")


class Score(NamedTuple):
    """What came of a drive so far."""

    ret: float = 0.0
    """Sum of rewards; in the dream, of those that M expects."""
    decisions: int = 0
    is_over: bool = False

    def add(self, rew: float, is_over: bool) -> "Score":
        """After another decision."""
        return Score(self.ret + rew, self.decisions + 1, is_over)


class _Wheel(Generic[Obs, Act]):
    """Whoever holds it decides."""

    def __init__(self, decide: Callable[[Obs, np.ndarray], Act]) -> None:
        self._decide = decide

    def reset(self, seeds: Sequence[int]) -> None:
        """Nothing to forget: the session does."""

    def act(self, obs: Obs, prev_rew: np.ndarray) -> Act:
        """Its decision."""
        return self._decide(obs, prev_rew)

    def keep(self, mask: np.ndarray) -> None:
        """Nothing to forget: there is one drive."""


class Session:
    """A drive, real or dreamt. While the road is real, V and M follow it, so that a dream can go on from any moment of
    it; while it is dreamt, the real one stands still."""

    def __init__(
        self,
        agent: Agent,
        params: Floats | None,
        moments: Moments | None,
        env: EnvConfig,
        *,
        mode: Mode = "real",
        track: int = 0,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        """`params` (p,) of C drive where the autopilot is on; None for a run that has none yet. `moments`: where dreams
        begin that do not go on from a real moment. Raises UserError where a dream is asked of an M that cannot
        dream."""
        self.agent, self.moments, self.mode = agent, moments, mode
        self.params = None if params is None else torch.from_numpy(np.asarray(params, np.float32))[None]
        self.track, self.temperature, self.seed = track, temperature, seed
        self.autopilot = self.paused = False
        self.message = ""
        """What the player should know, in one line."""
        self.num_dreams = 0
        self.dreamer: Dreamer | None = None
        self._road: Lockstep[Frames, Floats] | None = None
        self._dream: Lockstep[DreamObs, Tensor] | None = None
        self.dreamt = Score()
        self.env = make_vector_env(env, 1)
        self.spec = self.env.spec
        self.seconds = env.action_repeat / self.spec.frames_per_second
        """That a decision takes in the world."""
        self.wanted = torch.zeros(1, self.spec.actions.size)
        """The player's action (1, a)."""
        self._begin_real()
        if mode == "dream":
            if moments is None:
                raise UserError("there is no bank of moments to begin a dream from: begin with --real")
            self._begin_dream(moments)

    @property
    def score(self) -> Score:
        """Of the drive that is shown."""
        return self.real if self.mode == "real" else self.dreamt

    def press(self, command: Command) -> None:
        """Does what a key stands for; what cannot be done is said in `message`."""
        self.message = ""
        if command == "switch":
            self.switch()
        elif command == "autopilot":
            self.autopilot = not self.autopilot and self.params is not None
            self.message = "" if self.params is not None else "this run has no controller yet"
        elif command in ("warmer", "cooler"):
            self._heat(TEMPERATURE_STEP if command == "warmer" else -TEMPERATURE_STEP)
        elif command == "pause":
            self.paused = not self.paused
        else:
            self.restart()

    def take(self, controller: Controller, params: Floats) -> None:
        """Another C of the same run drives from now on, with `params` (p,)."""
        self.agent.controller = controller
        self.params = torch.from_numpy(np.asarray(params, np.float32))[None]
        self.message = "a newer C has come"

    def switch(self) -> None:
        """From the road into a dream that goes on from this moment, or from the dream back to where the road waits."""
        if self.mode == "dream":
            self.mode = "real"
            return
        try:
            self._begin_dream(Moments(z=self.z, state=self.state, rew=torch.tensor([self.rew])))
        except UserError as error:
            self.message = str(error).partition(",")[0]
        else:
            self.mode = "dream"

    def restart(self) -> None:
        """The next track, or another dream: from the bank, or where there is none from the same moment again."""
        if self.mode == "real":
            self.track += 1
            self._begin_real()
            return
        assert self.dreamer is not None
        self._begin_dream(self.moments or self.dreamer.moments)

    def hold(self, held: Set[str]) -> None:
        """One decision under the keys that are held; see `advance`."""
        self.advance(handled(self.spec.actions, self.act, held, self.seconds))

    @torch.inference_mode()
    def advance(self, act: Floats) -> None:
        """One decision, `act` (a,) or the autopilot's; nothing while it is paused or where the drive is over."""
        if self.paused or self.score.is_over:
            return
        self.wanted = torch.from_numpy(np.asarray(act, np.float32))[None].to(self.agent.device)
        if self.mode == "real":
            assert self._road is not None
            _, _, chosen, step = next(self._road)
            self.act, self.rew = chosen[0], float(step.rew[0])
            self.real = self.real.add(self.rew, bool(step.end[0] or step.trunc[0]))
            self._see(step.obs[0])
        else:
            assert self._dream is not None
            _, _, chosen, step = next(self._dream)
            self.act = chosen[0].cpu().numpy()
            self.dreamt = self.dreamt.add(float(step.rew[0]), bool(step.end[0]))

    @torch.inference_mode()
    def pictures(self) -> tuple[Frames, list[tuple[str, Frames]]]:
        """What is seen now, and smaller pictures that say more of it, each with its caption."""
        decode = self.agent.vision.decode
        if self.mode == "dream":
            assert self.dreamer is not None
            return decode(self.dreamer.z)[0].cpu().numpy(), [("the real one waits", self.obs)]
        captions = ("what V keeps", "what M expected")
        latents = self.z if self.expected is None else torch.cat([self.z, self.expected])
        return self.obs, list(zip(captions, decode(latents).cpu().numpy(), strict=False))

    def close(self) -> None:
        """Lets go of the world, and of what holds this session as it holds them."""
        self.env.close()
        self._road = self._dream = None

    def _decide_on_the_road(self, obs: Frames, prev_rew: np.ndarray) -> Floats:
        agent = self.agent
        if self.autopilot and self.params is not None:
            chosen, self.state = agent.act(obs, prev_rew, self.params, self.state)
        else:
            chosen, rew = self.wanted.cpu().numpy(), torch.from_numpy(prev_rew).to(agent.device, torch.float32)
            self.state = agent.memory.step(self.z, self.wanted, self.state, rew)
        self.expected = agent.memory.predict(self.state.top, self.z).z.mean()
        return chosen

    def _decide_in_the_dream(self, seen: DreamObs, prev_rew: np.ndarray) -> Tensor:  # noqa: ARG002 (C does not read it)
        if self.autopilot and self.params is not None:
            return self.agent.controller.act(self.params, seen.z, seen.state)
        return self.wanted

    def _begin_real(self) -> None:
        self.state, self.rew = self.agent.initial_state(1), 0.0
        rest = np.zeros(self.spec.actions.size, np.float32)
        self.real, self.act, self.expected = Score(), handled(self.spec.actions, rest, set(), 0.0), None
        road = self._road = Lockstep(self.env, _Wheel(self._decide_on_the_road), [self.track])
        self._see(road.obs[0])

    def _begin_dream(self, moments: Moments) -> None:
        chance = torch_generator(self.seed, "play", self.num_dreams, device=self.agent.device)
        dreamer = Dreamer(self.agent.memory, moments, 1, DreamConfig(temperature=self.temperature), chance)
        self._dream = Lockstep(Dreaming(dreamer), _Wheel(self._decide_in_the_dream), dreamer.draw().tolist())
        self.dreamer, self.dreamt = dreamer, Score()
        self.num_dreams += 1

    def _heat(self, degrees: float) -> None:
        self.temperature = max(0.0, round(self.temperature + degrees, 3))
        if self.dreamer is not None:
            self.dreamer.config = DreamConfig(temperature=self.temperature)

    @torch.inference_mode()
    def _see(self, obs: Frames) -> None:
        self.obs = obs
        self.z = self.agent.encode(torch.from_numpy(obs[None]).to(self.agent.device)).float()
