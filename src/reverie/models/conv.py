"""Convolutional halves of the vision models, for 64x64 RGB frames.

Shapes: b batch, h w frame (64 x 64), c colour (3), f features. Frames enter as uint8 (b, h, w, c), whose memory
order is what convolutions on a CPU like best (channels last); they are never copied to another order.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FRAME_SIZE = 64


def to_float(frames: Tensor) -> Tensor:
    """uint8 (b, 64, 64, 3) -> float32 (b, 3, 64, 64) in [0, 1], channels last in memory."""
    _, h, w, c = frames.shape
    assert (h, w, c) == (FRAME_SIZE, FRAME_SIZE, 3), f"frames must be (b, 64, 64, 3), not {tuple(frames.shape)}"
    assert frames.dtype == torch.uint8, f"frames must be uint8, not {frames.dtype}"
    return frames.permute(0, 3, 1, 2).to(torch.float32) / 255


def to_uint8(images: Tensor) -> Tensor:
    """Float (b, 3, 64, 64) in [0, 1] -> uint8 (b, 64, 64, 3)."""
    return (images.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


class Encoder(nn.Sequential):
    """Four 4x4 convolutions of stride 2 with ReLU (paper, appendix A.1): (b, 3, 64, 64) -> (b, 4 x last channels)."""

    def __init__(self, channels: Sequence[int]) -> None:
        assert len(channels) == 4, f"an encoder has 4 layers, not {len(channels)}"
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels[:-1]), channels, strict=True):
            layers += [nn.Conv2d(before, after, 4, stride=2), nn.ReLU()]
        super().__init__(*layers, nn.Flatten())
        self.num_features = 2 * 2 * channels[-1]


class Decoder(nn.Sequential):
    """Transposed convolutions 5-5-6-6 of stride 2 (paper, appendix A.1): (b, z) -> (b, 3, 64, 64)."""

    def __init__(self, z_size: int, num_features: int, channels: Sequence[int]) -> None:
        assert len(channels) == 3, f"a decoder has 3 hidden layers, not {len(channels)}"
        layers: list[nn.Module] = [nn.Linear(z_size, num_features), nn.Unflatten(1, (num_features, 1, 1))]
        sizes = (num_features, *channels, 3)
        for before, after, kernel in zip(sizes[:-1], sizes[1:], (5, 5, 6, 6), strict=True):
            layers += [nn.ConvTranspose2d(before, after, kernel, stride=2), nn.ReLU()]
        super().__init__(*layers[:-1], nn.Sigmoid())
