"""A dream along known actions: M watches for a while, then closes its eyes and goes on by itself.

Shapes: b sequences, t decisions, t0 latents that M is shown, z latent, a action.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from reverie.dream.imagine import DreamConfig, imagine, recorded, stacked
from reverie.dream.moments import Moments
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

    def to(self, device: torch.device | str) -> "Dream":
        """The same on another device."""
        rew, end = (None if part is None else part.to(device) for part in (self.rew, self.end))
        return Dream(self.z.to(device), rew, end)


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
    told = z.new_zeros(b, t0) if prev_rew is None else prev_rew
    state, rewards, ends = memory.initial_state(b), list[Tensor](), list[Tensor]()
    for i in range(min(t0 - 1, t)):
        state = memory.step(z[:, i], act[:, i], state, told[:, i])
        expected = memory.predict(state.top, z[:, i])
        if expected.reward is not None:
            rewards.append(expected.reward)
        if expected.end_logit is not None:
            ends.append(torch.sigmoid(expected.end_logit))
    seen = Dream(z, stacked(rewards), stacked(ends))
    if t0 > t:
        return seen
    moment, config = Moments(z=z[:, -1], state=state, rew=told[:, -1]), DreamConfig(temperature=temperature)
    dreamt = imagine(memory, recorded(act[:, t0 - 1 :]), moment, t - t0 + 1, config, chance=generator)
    return Dream(torch.cat([z, dreamt.z[:, 1:]], 1), _joined(seen.rew, dreamt.rew), _joined(seen.end, dreamt.end))


def _joined(seen: Tensor | None, dreamt: Tensor | None) -> Tensor | None:
    return dreamt if seen is None or dreamt is None else torch.cat([seen, dreamt], 1)
