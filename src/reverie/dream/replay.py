"""A dream along known actions: M watches for a while, then closes its eyes and goes on by itself.

Shapes: b sequences, t decisions, t0 latents that M is shown, z latent, a action.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from reverie.models.mdn_rnn import Memory


class Dream(NamedTuple):
    """What M was shown, and what it then made up."""

    z: Tensor
    """(b, t + 1, z): the latents before each decision and after the last; the first t0 are those M was shown."""
    rew: Tensor | None
    """(b, t) expected rewards, or None where M has no head for them. In units of the environment; for a head that only
    knows the sign, the expected sign."""
    end: Tensor | None
    """(b, t) probability that the decision ends the episode, or None where M has no head for it. The dream goes on."""


@torch.inference_mode()
def replay(
    memory: Memory,
    z: Tensor,
    act: Tensor,
    *,
    temperature: float,
    generator: torch.Generator | None = None,
    prev_rew: Tensor | None = None,
) -> Dream:
    """Shows M the latents z (b, t0, z), 1 <= t0 <= t + 1, then lets it dream the rest of the decisions act (b, t, a).

    Latents are drawn from M's mixture at `temperature` (0 takes the mean of the heaviest component). A memory that
    reads rewards needs `prev_rew` (b, t0), those that came with z; in the dream it reads its own.
    """
    b, t0, z_size = z.shape
    t = act.shape[1]
    assert act.shape == (b, t, memory.action_size), (
        f"act must be ({b}, t, {memory.action_size}), not {tuple(act.shape)}"
    )
    assert z_size == memory.z_size, f"z must be ({b}, t0, {memory.z_size}), not {tuple(z.shape)}"
    assert 1 <= t0 <= t + 1, f"{t} decisions have 1 to {t + 1} latents to show, not {t0}"
    assert prev_rew is None or prev_rew.shape == (b, t0), f"prev_rew must be {(b, t0)}, not {tuple(prev_rew.shape)}"
    state = memory.initial_state(b)
    latents, rewards, ends = list(z.unbind(1)), [], []
    dreamt_rew = z.new_zeros(b)
    for i in range(t):
        rew = prev_rew[:, i] if prev_rew is not None and i < t0 else dreamt_rew
        state = memory.step(latents[i], act[:, i], state, rew)
        expected = memory.predict(state.top, latents[i])
        if i + 1 >= t0:
            latents.append(expected.z.sample(temperature, generator))
        if expected.reward is not None:
            dreamt_rew = expected.reward
            rewards.append(dreamt_rew)
        if expected.end_logit is not None:
            ends.append(torch.sigmoid(expected.end_logit))
    return Dream(torch.stack(latents, 1), _stack(rewards), _stack(ends))


def _stack(values: list[Tensor]) -> Tensor | None:
    return torch.stack(values, 1) if values else None
