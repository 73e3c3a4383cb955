"""C as a driver whose hands shake: its outputs are drawn, and so every action has a probability, and a gradient.

Numbers are drawn from normals around C's outputs, and squashed by tanh like those (Haarnoja et al. 2018, appendix C).
Choices among categories are drawn by the softmax of C's outputs: noise of Gumbel's is added to them, and again the
greatest is taken. Without noise, both are C.

Shapes: `...` any leading dimensions, x coordinates of the search, p parameters of C, o outputs, z latent.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from reverie.models.controller import Controller
from reverie.models.mdn_rnn import MemoryState
from reverie.run.imagine import ActorConfig
from reverie.training.controller.search_space import SearchSpace

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Actor(nn.Module):
    """What is learned of C: its coordinates in `space`, and how much its hands shake."""

    origin: Tensor
    basis: Tensor | None

    def __init__(self, controller: Controller, space: SearchSpace, config: ActorConfig) -> None:
        super().__init__()
        self.controller, self.config = controller, config
        self.choices = controller.actions.choices
        basis = None if space.basis is None else torch.from_numpy(space.basis).float()
        self.register_buffer("origin", torch.from_numpy(space.origin).float(), persistent=False)
        self.register_buffer("basis", basis, persistent=False)
        self.coordinates = nn.Parameter(torch.zeros(space.num_coordinates))
        share = (config.std - config.std_min) / (config.std_max - config.std_min)
        outputs = 0 if self.choices else controller.actions.num_outputs
        self.spread = nn.Parameter(torch.full((outputs,), math.log(share / (1 - share))))

    @property
    def params(self) -> Tensor:
        """(p,) of C."""
        return self.origin + (self.coordinates if self.basis is None else self.coordinates @ self.basis)

    @property
    def std(self) -> Tensor:
        """(o,) of the noise on each output, within its bounds; (0,) where there are choices."""
        config = self.config
        return config.std_min + (config.std_max - config.std_min) * torch.sigmoid(self.spread)

    def outputs(self, z: Tensor, state: MemoryState) -> Tensor:
        """What C gives (b, o) for latents z (b, z) and M's state."""
        return self.controller.outputs(self.params, z, state)

    def draw(self, out: Tensor, generator: torch.Generator) -> Tensor:
        """Outputs (..., o) with noise, reparametrised."""
        if self.choices:
            uniform = torch.rand(out.shape, generator=generator, device=out.device).clamp(min=1e-20)
            return out - torch.log(-torch.log(uniform))  # Gumbel's: the greatest is drawn by softmax
        return out + self.std * torch.randn(out.shape, generator=generator, device=out.device)

    def log_prob(self, drawn: Tensor, out: Tensor) -> Tensor:
        """(...,) of what was `drawn` (..., o) around outputs `out` (..., o): the log density of the squashed numbers
        (what a pedal makes of a number is the world's affair), or of the choices, the log-probability."""
        if self.choices:
            return torch.stack(
                [
                    torch.log_softmax(likes, -1).gather(-1, found.argmax(-1, keepdim=True)).squeeze(-1)
                    for likes, found in zip(out.split(self.choices, -1), drawn.split(self.choices, -1), strict=True)
                ]
            ).sum(0)
        std = self.std
        normal = -0.5 * ((drawn - out) / std).square() - std.log() - _HALF_LOG_TWO_PI
        return (normal - log_slope(drawn)).sum(-1)

    def entropy(self, drawn: Tensor, out: Tensor) -> Tensor:
        """(...,) in nats, of what was drawn around outputs `out` (..., o): exact of choices; of squashed numbers an
        estimate by what was `drawn` (..., o), which moves with mean and deviation."""
        if self.choices:
            parts = [torch.log_softmax(likes, -1) for likes in out.split(self.choices, -1)]
            return torch.stack([-(part.exp() * part).sum(-1) for part in parts]).sum(0)
        std = self.std
        noise = ((drawn - out) / std).detach()
        return (0.5 + _HALF_LOG_TWO_PI + std.log() + log_slope(out + std * noise)).sum(-1)


def log_slope(x: Tensor) -> Tensor:
    """log of the derivative of tanh, 1 - tanh(x)^2, without its underflow."""
    return 2 * (math.log(2) - x - functional.softplus(-2 * x))
