"""M: an LSTM with a mixture-density head (World Models, section 2.3 and appendix A.2).

Shapes: b batch, t time, z latent, a action, h hidden, k mixture components.
M reads (z_t, a_t), where a_t is the action taken at step t, and predicts z_t+1, the reward of that step and its end.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, cast

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional

from reverie.models.distributions import Mixture
from reverie.types import LossAndMetrics, Positive, SequenceBatch


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The network of M and its loss."""

    hidden_size: Positive = 256
    """Units of the LSTM."""
    num_mixtures: Positive = 5
    """Normals in the mixture of each latent dimension."""
    reward_input: bool = False
    """Whether M also reads the reward that came with z_t (seed): the same of it that its head predicts."""
    reward_head: Literal["none", "sign", "value"] = "value"
    """Nothing (paper), the logit of a positive reward (seed), or the reward itself."""
    reward_scale: Annotated[float, Gt(0)] = 10.0
    """Rewards are divided by this before M sees or predicts them."""
    reward_weight: Annotated[float, Ge(0)] = 1.0
    """Factor of the reward's loss."""
    end_head: bool = True
    """Whether M predicts that the episode ends with this step."""
    end_weight: Annotated[float, Ge(0)] = 1.0
    """Factor of the end's loss."""


class MemoryState(NamedTuple):
    """Hidden and cell state of the LSTM, each (b, h)."""

    h: Tensor
    c: Tensor

    def select(self, rows: Tensor) -> "MemoryState":
        """The state of some rows."""
        return MemoryState(self.h[rows], self.c[rows])

    def first(self, b: int) -> "MemoryState":
        """The state of the first b rows."""
        return MemoryState(self.h[:b], self.c[:b])


class Prediction(NamedTuple):
    """What M expects: a mixture over z_t+1 (..., z, k); reward and end logits (...,) or None without such a head."""

    z: Mixture
    reward: Tensor | None
    """In units of the environment, or the logit of a positive reward."""
    end_logit: Tensor | None


class Memory(nn.Module):
    """The LSTM and its heads. One bias per gate: torch's LSTM has two, which add up (1,024 redundant parameters)."""

    def __init__(self, config: MemoryConfig, z_size: int, action_size: int) -> None:
        super().__init__()
        self.config = config
        self.z_size = z_size
        self.action_size = action_size
        self.lstm = nn.LSTM(z_size + action_size + config.reward_input, config.hidden_size, batch_first=True)
        del self.lstm.bias_hh_l0
        self.lstm.register_buffer("bias_hh_l0", torch.zeros(4 * config.hidden_size), persistent=False)
        with torch.no_grad():  # gates start open to memory (Jozefowicz et al. 2015), as in the paper's code
            self._weights[2][config.hidden_size : 2 * config.hidden_size] = 1
        self.num_mixture_outputs = 3 * config.num_mixtures * z_size
        self.num_scalar_outputs = (config.reward_head != "none") + config.end_head
        self.head = nn.Linear(config.hidden_size, self.num_mixture_outputs + self.num_scalar_outputs)

    def initial_state(self, batch_size: int) -> MemoryState:
        """Zeros (b, h)."""
        zeros = self.head.weight.new_zeros(batch_size, self.config.hidden_size)
        return MemoryState(zeros, zeros)

    @property
    def _weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the input (4h, i) and of the state (4h, h), bias (4h,); gates in the order i, f, g, o."""
        lstm = self.lstm
        return cast(tuple[Tensor, Tensor, Tensor], (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0))

    def _inputs(self, z: Tensor, act: Tensor, prev_rew: Tensor | None) -> Tensor:
        parts = [z, act]
        if self.config.reward_input:
            assert prev_rew is not None, "this memory reads rewards: give prev_rew"
            rew = torch.sign(prev_rew) if self.config.reward_head == "sign" else prev_rew / self.config.reward_scale
            parts.append(rew.unsqueeze(-1))
        return torch.cat(parts, -1)

    def forward(
        self, z: Tensor, act: Tensor, prev_rew: Tensor | None = None, state: MemoryState | None = None
    ) -> tuple[Tensor, MemoryState]:
        """Runs over z (b, t, z) and act (b, t, a): hidden states after each step (b, t, h), and the last state."""
        b, t, _ = z.shape
        assert act.shape == (b, t, self.action_size), f"act must be {(b, t, self.action_size)}, not {tuple(act.shape)}"
        state = state or self.initial_state(b)
        hidden, (h, c) = self.lstm(self._inputs(z, act, prev_rew), (state.h.unsqueeze(0), state.c.unsqueeze(0)))
        return hidden, MemoryState(h.squeeze(0), c.squeeze(0))

    def step(self, z: Tensor, act: Tensor, state: MemoryState, prev_rew: Tensor | None = None) -> MemoryState:
        """One step of the same recurrence: z (b, z), act (b, a) -> the next state."""
        weight_input, weight_state, bias = self._weights
        gates = functional.linear(self._inputs(z, act, prev_rew), weight_input, bias)
        gates = torch.addmm(gates, state.h, weight_state.T)
        i, f, g, o = gates.chunk(4, -1)
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        return MemoryState(torch.sigmoid(o) * torch.tanh(c), c)

    def predict(self, hidden: Tensor) -> Prediction:
        """Reads hidden states (..., h)."""
        out = self.head(hidden)
        mixture = out[..., : self.num_mixture_outputs].unflatten(-1, (self.z_size, 3, self.config.num_mixtures)).float()
        z = Mixture.from_logits(mixture[..., 0, :], mixture[..., 1, :], mixture[..., 2, :])
        scalars = list(out[..., self.num_mixture_outputs :].float().unbind(-1))
        reward = scalars.pop(0) if self.config.reward_head != "none" else None
        if reward is not None and self.config.reward_head == "value":
            reward = reward * self.config.reward_scale
        return Prediction(z, reward, scalars.pop(0) if self.config.end_head else None)

    def loss(self, batch: SequenceBatch) -> LossAndMetrics:
        """Negative log likelihood, mean over z and over the steps of the mask, plus the losses of reward and end."""
        config = self.config
        hidden, _ = self(batch.z[:, :-1], batch.act, batch.prev_rew)
        prediction = self.predict(hidden)
        total = batch.mask.sum().clamp(min=1)

        def average(per_step: Tensor) -> Tensor:
            return (per_step * batch.mask).sum() / total

        # Where the episode ended there is still a last frame, so every step of the mask has a true z_t+1.
        loss = average(-prediction.z.log_prob(batch.z[:, 1:]).mean(-1))
        metrics = {"loss_z": loss}
        if prediction.reward is not None:
            if config.reward_head == "sign":
                target = (batch.rew > 0).float()
                error = functional.binary_cross_entropy_with_logits(prediction.reward, target, reduction="none")
            else:
                error = ((prediction.reward - batch.rew) / config.reward_scale).square()
            metrics["loss_reward"] = average(error)
            loss = loss + config.reward_weight * metrics["loss_reward"]
        if prediction.end_logit is not None:
            error = functional.binary_cross_entropy_with_logits(prediction.end_logit, batch.end, reduction="none")
            metrics["loss_end"] = average(error)
            loss = loss + config.end_weight * metrics["loss_end"]
        return loss, {"loss": loss, **metrics}
