"""The discriminator of a VAE/GAN: tells frames from fakes, and lends a layer to measure errors in.

Shapes: b batch, h w frame, c colour, f features.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from reverie.models.larsen_nets import EPSILON, KEPT
from reverie.types import Width

SLOPE = 0.2


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Its network."""

    channels: tuple[Width, ...] = (16, 32, 64, 64)
    """Output channels of the convolutions: the first keeps the size or halves it, all others halve it (paper: 32, 128,
    256, 256)."""
    kernel: Annotated[int, Ge(3), Le(7)] = 4
    """Size of the convolutions (paper: 5)."""
    first_stride: Literal[1, 2] = 2
    """Stride of the first convolution (paper: 1)."""
    features: Annotated[int, Ge(0), Le(4096)] = 128
    """Of the linear layer before the verdict on the whole image (paper: 512); 0 for verdicts on each place of the last
    convolution's map instead, by what can be seen from there (Isola et al. 2017)."""
    layer: Annotated[int, Ge(0), Le(16)] = 1
    """The convolution, counted from 0, whose output, before its normalisation, measures the error (paper: 3)."""
    normalisation: Literal["none", "batch", "larsen", "spectral"] = "none"
    """Batch normalisation of the convolutions but for the first; the same of the linear layer, too, and ReLU that does
    not leak (`larsen`: the paper); or a spectral norm of 1 in each layer (Miyato et al. 2018)."""

    def __post_init__(self) -> None:
        if len(self.channels) > 6:
            raise ValueError(f"{len(self.channels)} convolutions halve a frame of 64 pixels too often: 6 at most")
        if self.layer >= len(self.channels):
            raise ValueError(f"layer {self.layer} is not one of its {len(self.channels)} convolutions (from 0)")


class Seen(NamedTuple):
    """What the discriminator makes of images."""

    features: Tensor
    """(b, f, h, w) of the chosen layer."""
    logit: Tensor
    """(b, p) positive for real; p = 1 for the whole image."""


class Discriminator(nn.Module):
    """Strided convolutions with leaky ReLU (`larsen`: ReLU), a linear layer, a verdict."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        is_larsen = config.normalisation == "larsen"
        self.slope = 0.0 if is_larsen else SLOPE
        wrap = spectral_norm if config.normalisation == "spectral" else _as_it_is
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        size, padding = 64, config.kernel // 2 if config.kernel % 2 else config.kernel // 2 - 1
        for i, (before, after) in enumerate(zip((3, *config.channels[:-1]), config.channels, strict=True)):
            stride = config.first_stride if i == 0 else 2
            self.convolutions.append(wrap(nn.Conv2d(before, after, config.kernel, stride, padding)))
            norm: nn.Module = nn.Identity()
            if i > 0 and config.normalisation in ("batch", "larsen"):
                norm = nn.BatchNorm2d(after, eps=EPSILON, momentum=1 - KEPT) if is_larsen else nn.BatchNorm2d(after)
            self.norms.append(norm)
            size = (size + 2 * padding - config.kernel) // stride + 1
        if config.features:
            hidden = wrap(nn.Linear(config.channels[-1] * size * size, config.features))
            norms = [nn.BatchNorm1d(config.features, eps=EPSILON, momentum=1 - KEPT)] if is_larsen else []
            layers = [nn.Flatten(), hidden, *norms, nn.LeakyReLU(self.slope), wrap(nn.Linear(config.features, 1))]
        else:
            layers = [wrap(nn.Conv2d(config.channels[-1], 1, 1)), nn.Flatten()]
        self.verdict = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Seen:
        """Images (b, c, h, w) in [0, 1]."""
        x, features = 2 * images - 1, images
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = convolution(x)
            if i == self.config.layer:
                features = x
            x = nn.functional.leaky_relu(norm(x), self.slope)
        return Seen(features, self.verdict(x).float())


def _as_it_is(layer: nn.Module) -> nn.Module:
    return layer
