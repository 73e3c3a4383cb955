"""Where dreams begin: latents of real frames, each with the state that M has after it watched how they came about.

A dream that begins with an empty memory has to guess how fast the car is. So it begins at a moment of an encoded
episode, with the state that M had after it was shown the decisions before.

Shapes: n moments, t decisions of context, z latent, a action, l layers, h hidden.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from reverie import checkpoint
from reverie.actions import AnyActions, BoxActions, SteerGasBrake, as_json
from reverie.checkpoint import file_sha256
from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.dream.near_failures import Failures, after_failures, before_failures
from reverie.errors import UserError
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.reading import form_of
from reverie.seeding import generator
from reverie.types import LargestReturn
from reverie.versions import other_version, signed

DREAM = "dream.safetensors"
CONTEXT = 16
"""Decisions that M watches before it dreams; with four frames a decision, CarRacing's opening zoom is over by then."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What a dream needs to know of the world that it stands for."""

    env_id: str
    actions: AnyActions
    """What can be done there."""
    action_repeat: int
    """Simulator frames of a decision."""
    max_decisions: int
    """After so many an episode is cut."""
    frames_per_second: float = 50.0
    """Of the simulator."""
    largest_return: LargestReturn | None = None
    """None where nobody knows, and in files of earlier versions: then dreams are paid whatever M promises."""

    def limit(self, max_decisions: int | None) -> int:
        """After how many decisions to cut an episode, where `max_decisions` were asked for."""
        if max_decisions is None:
            return self.max_decisions
        if max_decisions < 1:
            raise UserError(f"max_decisions must be 1 or more, not {max_decisions}")
        return max_decisions


_BESIDE_STATE = ("z", "rew", "earned", "frames", "held_out")


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Moments at which a dream can begin."""

    z: Tensor
    """(n, z) the means of their latents: at the wheel, there is no noise of our own."""
    state: MemoryState
    """M's, before it reads z; (n, l, h) each."""
    rew: Tensor
    """(n,) the reward that came with z."""
    earned: Tensor = field(default_factory=lambda: torch.zeros(()))
    """(n,) return of the episode up to the moment; 0 where it is not known, as in files of earlier versions."""
    frames: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.long))
    """(n,) simulator frames since the episode began; 0 where it is not known."""
    held_out: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.bool))
    """(n,) bool: the moment is of an episode that M was not fitted on; False where it is not known."""

    def __post_init__(self) -> None:
        for name in ("earned", "frames", "held_out"):
            object.__setattr__(self, name, getattr(self, name).to(self.z.device).expand(len(self.z)))

    def __len__(self) -> int:
        return len(self.z)

    def select(self, rows: Tensor) -> "Moments":
        """Those with the numbers `rows` (m,)."""
        return self._each(lambda part: part[rows])

    def to(self, device: torch.device | str) -> "Moments":
        """The same on another device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Moments":
        rest = {name: change(getattr(self, name)) for name in _BESIDE_STATE}
        return Moments(state=MemoryState(*map(change, self.state)), **rest)


@torch.no_grad()
def make_moments(
    memory: Memory,
    latents: LatentStore,
    num: int,
    seed: int,
    context: int = CONTEXT,
    *,
    action_repeat: int,
    failures: Failures | None = None,
    mirror: bool = False,
    lost: np.ndarray | None = None,
) -> Moments:
    """Draws `num` moments from the encoded episodes, each after at least `context` decisions of `action_repeat` frames;
    every moment is as likely as another, but for shares before and after `failures`; with `mirror`, every other one is
    seen in a mirror. At none is the next decision one of those that are `lost` (d,) bool. At least one decision of
    context, since the reward that comes with a latent is part of it. Raises UserError where no episode is long enough,
    or all is lost."""
    chosen_from = np.arange(num_moments(latents, context))
    if lost is not None:
        chosen_from = chosen_from[~_of_moments(lost, latents, context)]
        if not len(chosen_from):
            raise UserError(
                f"no moment in {latents.folder} comes before the driver failed: set memory.failures_end = false, or "
                "collect episodes of who gets on"
            )
    numbers = chosen_from[generator(seed, "dream starts").integers(len(chosen_from), size=num)]
    if failures:
        of_all = (failures.got_on, latents.end, latents.decision_offsets, context)
        before, stuck = np.flatnonzero(before_failures(*of_all)), np.flatnonzero(after_failures(*of_all))
        some = round(failures.before * num)
        more = min(num, some + round(failures.stuck * num))
        if len(before):
            numbers[:some] = before[generator(seed, "dream starts", "failures").integers(len(before), size=some)]
        if len(stuck):
            numbers[some:more] = stuck[generator(seed, "dream starts", "stuck").integers(len(stuck), size=more - some)]
    if not mirror:
        return moments_at(memory, latents, numbers, context, action_repeat=action_repeat)
    return joined(
        moments_at(memory, store, numbers[i::2], context, action_repeat=action_repeat)
        for i, store in enumerate((latents, latents.mirrored))
    )


def joined(parts: Iterable[Moments]) -> Moments:
    """All moments of some banks as one, in their order."""
    banks = list(parts)
    state = MemoryState(*(torch.cat(values) for values in zip(*(bank.state for bank in banks), strict=True)))
    rest = {name: torch.cat([getattr(bank, name) for bank in banks]) for name in _BESIDE_STATE}
    return Moments(state=state, **rest)


def context_of(latents: LatentStore) -> int:
    """Decisions that M watches before a dream begins: fewer where all episodes are shorter, or all that are held out,
    in which validation dreams begin."""
    num = np.diff(latents.decision_offsets)
    held_out = num[split(latents.rounds).held_out]
    return min(CONTEXT, int(num.max()) - 1, int(held_out.max()) - 1 if len(held_out) else CONTEXT)


def num_moments(latents: LatentStore, context: int) -> int:
    """How many moments of the encoded episodes come after at least `context` decisions. Raises UserError where none
    does."""
    num = int(_room(latents, context).sum())
    if not num:
        raise UserError(
            f"no episode in {latents.folder} has more than {context} decisions, which M watches before it dreams: "
            "collect longer ones"
        )
    return num


def numbers_in(latents: LatentStore, context: int, episodes: np.ndarray) -> np.ndarray:
    """The numbers of such moments in some of the episodes, in order; errors as `num_moments`."""
    num_moments(latents, context)
    room = _room(latents, context)
    return np.flatnonzero(np.isin(np.repeat(np.arange(len(room)), room), episodes))


def _of_moments(decisions: np.ndarray, latents: LatentStore, context: int) -> np.ndarray:
    """What is so of the decision at each moment, of values (d,) of the decisions of all episodes."""
    return np.concatenate(
        [decisions[first + max(context, 1) : last] for first, last in pairwise(latents.decision_offsets.tolist())]
    )


def _room(latents: LatentStore, context: int) -> np.ndarray:
    """Such moments of each episode (e,), but the last frame."""
    return np.maximum(np.diff(latents.decision_offsets) - max(context, 1), 0)


@torch.no_grad()
def moments_at(
    memory: Memory, latents: LatentStore, numbers: np.ndarray, context: int, *, action_repeat: int
) -> Moments:
    """The moments with the `numbers` (n,) of all that there are (see `num_moments`), from the first episode on."""
    context, room = max(context, 1), _room(latents, context)
    episode = np.searchsorted(np.cumsum(room), numbers, side="right")
    first = numbers - (np.cumsum(room) - room)[episode]
    obs = (latents.offsets[episode] + first)[:, None] + np.arange(context + 1)
    decision = (latents.decision_offsets[episode] + first)[:, None] + np.arange(context)
    rew = latents.rew[decision]
    before = np.where(first > 0, latents.rew[np.maximum(decision[:, 0] - 1, 0)], np.float32(0))
    z = torch.from_numpy(latents.mu[obs]).float()
    prev_rew = torch.from_numpy(np.concatenate([before[:, None], rew], 1).astype(np.float32))
    moments = moments_after(memory, z, torch.from_numpy(latents.act[decision]), prev_rew)
    earned = np.concatenate([[0.0], np.cumsum(latents.rew, dtype=np.float64)])
    begin, now = latents.decision_offsets[episode], decision[:, -1] + 1
    return replace(
        moments,
        earned=torch.from_numpy((earned[now] - earned[begin]).astype(np.float32)).to(memory.device),
        frames=torch.from_numpy(action_repeat * (now - begin)).to(memory.device),
        held_out=torch.from_numpy(np.isin(episode, split(latents.rounds).held_out)).to(memory.device),
    )


@torch.no_grad()
def moments_after(memory: Memory, z: Tensor, act: Tensor, prev_rew: Tensor) -> Moments:
    """The moments at the end of n contexts that M watches: latents z (n, t + 1, z) and the rewards prev_rew (n, t + 1)
    that came with them, actions act (n, t, a) between them. They are on M's device, wherever those are."""
    z, act, prev_rew = (values.to(memory.device) for values in (z, act, prev_rew))
    _, state = memory(z[:, :-1], act, prev_rew[:, :-1])
    return Moments(z=z[:, -1], state=state, rew=prev_rew[:, -1])


def save_moments(path: Path, moments: Moments, world: World, memory_path: Path) -> None:
    """Writes the bank, with the checksum of the M whose states it holds."""
    tensors = {"z": moments.z, "h": moments.state.h, "c": moments.state.c, "rew": moments.rew}
    tensors |= {"earned": moments.earned, "frames": moments.frames, "held_out": moments.held_out}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    meta = {
        "kind": "dream",
        "world": form_of(World).dump_python(world, mode="json"),
        "memory_sha256": file_sha256(memory_path),
    }
    checkpoint.save(path, tensors, signed(meta))


def load_moments(path: Path, memory_path: Path) -> tuple[Moments, World]:
    """What `save_moments` wrote. Raises UserError where it is missing, damaged, or of another M than the one given."""
    again = f"`reverie memory --run {path.parent} --again`"
    if not path.exists():
        raise UserError(f"{path} is missing, where dreams begin: make it with {again}")
    tensors, meta = checkpoint.load(path)
    if meta.get("kind") != "dream":
        raise UserError(f"{path} holds {meta.get('kind', 'nothing')!r} where 'dream' was expected: name another file")
    if meta.get("memory_sha256") != file_sha256(memory_path):
        raise UserError(
            f"{path} was made with another M than {memory_path}: take both from the same run, or make it anew with "
            f"{again}"
        )
    with checkpoint.as_written(path, again):
        try:
            world = form_of(World).validate_python(_as_now(meta["world"]))
        except ValidationError as error:
            raise other_version(path, meta, error.errors()[0]["msg"], f"make it anew with {again}") from error
        _check_tensors(tensors)
        return Moments(state=MemoryState(tensors.pop("h"), tensors.pop("c")), **tensors), world


def _check_tensors(tensors: Mapping[str, Tensor]) -> None:
    """Raises ValueError where they are not those of a bank; files of earlier versions lack the last three."""
    (n, z), (_, layers, hidden) = tensors["z"].shape, tensors["h"].shape
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "z": ((n, z), torch.float32),
        "h": ((n, layers, hidden), torch.float32),
        "c": ((n, layers, hidden), torch.float32),
        "rew": ((n,), torch.float32),
        "earned": ((n,), torch.float32),
        "frames": ((n,), torch.int64),
        "held_out": ((n,), torch.bool),
    }
    for name, (shape, dtype) in expected.items():
        tensor = tensors.get(name)
        if tensor is None and name in ("earned", "frames", "held_out"):
            continue
        if tensor is None or (tuple(tensor.shape), tensor.dtype) != (shape, dtype) or not n:
            raise ValueError(f"{name} is not {shape} {dtype}")


def _as_now(world: dict[str, Any]) -> dict[str, Any]:
    """A world as it is written now: earlier versions knew bounds only, which M read as they are."""
    if "action_low" not in world:
        return world
    low, high = (tuple(world[f"action_{end}"]) for end in ("low", "high"))
    is_car = (low, high) == ((-1.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    actions = SteerGasBrake() if is_car else BoxActions(low=low, high=high, scaled=False)
    kept = {key: value for key, value in world.items() if key not in ("action_low", "action_high")}
    return {**kept, "actions": as_json(actions)}
