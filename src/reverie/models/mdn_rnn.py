"""M: an LSTM with a mixture-density head (World Models, section 2.3 and appendix A.2).

Shapes: b batch, t time, z latent, a action, l layers, h hidden, k mixture components, o outputs of the head.
M reads (z_t, a_t), where a_t is the action taken at step t, and predicts z_t+1, the reward of that step and its end.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.nn import functional

from reverie.devices import recurrent
from reverie.models.distributions import Mixture
from reverie.models.rewards import RewardConfig, RewardHead
from reverie.types import Factor, LossAndMetrics, SequenceBatch, Width


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The network of M and its loss."""

    hidden_size: Width = 256
    """Units of each layer of the LSTM."""
    num_layers: Annotated[int, Gt(0), Le(16)] = 1
    """Layers of the LSTM; C reads the last one's."""
    mixture: Literal["per_dimension", "shared"] = "per_dimension"
    """A mixture for each latent dimension (paper), or one of diagonal normals for all of them together (ports)."""
    num_mixtures: Annotated[int, Gt(0), Le(100)] = 5
    """Normals in a mixture."""
    min_sigma: Annotated[float, Ge(0), Le(100)] = 0.0
    """Least deviation of a normal: what is more certain than that fits noise, and costs numbers their range."""
    residual: bool = False
    """Whether the head predicts the change of z instead of z."""
    reward_input: bool = False
    """Whether M also reads the reward that came with z_t (seed): the same of it that its head predicts."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    """The reward of a step."""
    end_head: bool = True
    """Whether M predicts that the world ends the episode with this step: a lap done, or the car off the field."""
    end_weight: Factor = 1.0
    """Factor of the end's loss."""


class MemoryState(NamedTuple):
    """Hidden and cell state of the LSTM, each (b, l, h)."""

    h: Tensor
    c: Tensor

    @property
    def top(self) -> Tensor:
        """What the last layer gives, (b, h): C reads it, and so do M's heads."""
        return self.h[:, -1]

    def select(self, rows: Tensor) -> "MemoryState":
        """The state of some rows."""
        return MemoryState(self.h[rows], self.c[rows])

    def replaced(self, rows: Tensor, by: "MemoryState") -> "MemoryState":
        """The state, with that of `rows` (b,) bool taken from another."""
        h, c = (torch.where(rows[:, None, None], new, old) for new, old in zip(by, self, strict=True))
        return MemoryState(h, c)

    def first(self, b: int) -> "MemoryState":
        """The state of the first b rows."""
        return MemoryState(self.h[:b], self.c[:b])


class Prediction(NamedTuple):
    """What M expects: a mixture over z_t+1 (..., k, z); reward and end (...,), or None without such a head."""

    z: Mixture
    reward: Tensor | None
    """Expected reward in units of the environment; of a head that only knows the sign, the expected sign."""
    end_logit: Tensor | None
    """Of the probability that the episode ends with this step."""


class Memory(nn.Module):
    """The LSTM and its heads. One bias per gate: torch's LSTM has two, which add up (1,024 redundant parameters)."""

    def __init__(self, config: MemoryConfig, z_size: int, action_size: int) -> None:
        super().__init__()
        self.config = config
        self.z_size = z_size
        self.action_size = action_size
        self.reward = RewardHead(config.reward)
        self.lstm = nn.LSTM(
            z_size + action_size + config.reward_input, config.hidden_size, config.num_layers, batch_first=True
        )
        for layer in range(config.num_layers):
            delattr(self.lstm, f"bias_hh_l{layer}")
            self.lstm.register_buffer(f"bias_hh_l{layer}", torch.zeros(4 * config.hidden_size), persistent=False)
            with torch.no_grad():  # gates start open to memory (Jozefowicz et al. 2015), as in the paper's code
                self._weights(layer)[2][config.hidden_size : 2 * config.hidden_size] = 1
        normals = z_size * config.num_mixtures
        weights = normals if config.mixture == "per_dimension" else config.num_mixtures
        self._sizes = [weights, normals, normals, self.reward.num_outputs, int(config.end_head)]
        self.head = nn.Linear(config.hidden_size, sum(self._sizes))

    @property
    def device(self) -> torch.device:
        """Where its weights are, and what it is given must be."""
        return self.head.weight.device

    def initial_state(self, batch_size: int) -> MemoryState:
        """Zeros (b, l, h)."""
        zeros = self.head.weight.new_zeros(batch_size, self.config.num_layers, self.config.hidden_size)
        return MemoryState(zeros, zeros)

    def _weights(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the input (4h, i) and of the state (4h, h), bias (4h,); gates in the order i, f, g, o."""
        w_input, w_state, bias = (
            getattr(self.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih")
        )
        return w_input, w_state, bias

    def _inputs(self, z: Tensor, act: Tensor, prev_rew: Tensor | None) -> Tensor:
        parts = [z, act]
        if self.config.reward_input:
            assert prev_rew is not None, "this memory reads rewards: give prev_rew"
            parts.append(self.reward.as_input(prev_rew).unsqueeze(-1))
        return torch.cat(parts, -1)

    def forward(
        self, z: Tensor, act: Tensor, prev_rew: Tensor | None = None, state: MemoryState | None = None
    ) -> tuple[Tensor, MemoryState]:
        """Runs over z (b, t, z) and act (b, t, a): the last layer's hidden states (b, t, h), and the last state."""
        b, t, _ = z.shape
        assert act.shape == (b, t, self.action_size), f"act must be {(b, t, self.action_size)}, not {tuple(act.shape)}"
        state = state or self.initial_state(b)
        before = (state.h.transpose(0, 1).contiguous(), state.c.transpose(0, 1).contiguous())
        with recurrent(z.device):
            hidden, (h, c) = self.lstm(self._inputs(z, act, prev_rew), before)
        return hidden, MemoryState(h.transpose(0, 1), c.transpose(0, 1))

    def step(self, z: Tensor, act: Tensor, state: MemoryState, prev_rew: Tensor | None = None) -> MemoryState:
        """One step of the same recurrence: z (b, z), act (b, a) -> the next state."""
        x, hs, cs = self._inputs(z, act, prev_rew), [], []
        for layer in range(self.config.num_layers):
            weight_input, weight_state, bias = self._weights(layer)
            gates = torch.addmm(functional.linear(x, weight_input, bias), state.h[:, layer], weight_state.T)
            i, f, g, o = gates.chunk(4, -1)
            c = torch.sigmoid(f) * state.c[:, layer] + torch.sigmoid(i) * torch.tanh(g)
            x = torch.sigmoid(o) * torch.tanh(c)
            hs.append(x)
            cs.append(c)
        return MemoryState(torch.stack(hs, 1), torch.stack(cs, 1))

    def predict(self, hidden: Tensor, z: Tensor) -> Prediction:
        """Reads the last layer's hidden states (..., h) after a step from z (..., z)."""
        mixture, reward, end_logit = self._read(hidden, z)
        known = self.config.reward.head != "none"
        return Prediction(mixture, self.reward.expected(reward) if known else None, end_logit)

    def _read(self, hidden: Tensor, z: Tensor) -> tuple[Mixture, Tensor, Tensor | None]:
        """The mixture, and the outputs of the heads for reward (..., o) and end (...,)."""
        config = self.config
        logits, mu, logsigma, reward, end = self.head(hidden).to(z.dtype).split(self._sizes, -1)
        logits, mu, logsigma = (out.unflatten(-1, (config.num_mixtures, -1)) for out in (logits, mu, logsigma))
        if config.residual:
            mu = mu + z.unsqueeze(-2)
        if config.min_sigma:
            floor = math.log(config.min_sigma)
            logsigma = floor + functional.softplus(logsigma - floor)
        mixture = Mixture.from_logits(logits, mu, logsigma)
        return mixture, reward, end.squeeze(-1) if config.end_head else None

    def loss(self, batch: SequenceBatch) -> LossAndMetrics:
        """Negative log likelihood, mean over z and over the steps of the mask, plus the losses of reward and end."""
        config, now = self.config, batch.z[:, :-1]
        hidden, _ = self(now, batch.act, batch.prev_rew)
        mixture, reward, end_logit = self._read(hidden, now)
        total = batch.mask.sum().clamp(min=1)

        def average(per_step: Tensor) -> Tensor:
            return (per_step * batch.mask).sum() / total

        # Where the episode ended there is still a last frame, so every step of the mask has a true z_t+1.
        loss = average(-mixture.log_prob(batch.z[:, 1:]) / self.z_size)
        metrics = {"loss_z": loss}
        if self.reward.num_outputs:
            metrics["loss_reward"] = average(self.reward.loss(reward, batch.rew))
            loss = loss + config.reward.weight * metrics["loss_reward"]
        if end_logit is not None:
            error = functional.binary_cross_entropy_with_logits(end_logit, batch.end, reduction="none")
            metrics["loss_end"] = average(error)
            loss = loss + config.end_weight * metrics["loss_end"]
        return loss, {"loss": loss, **metrics}
