"""Convolutional halves of the vision models, for 64x64 RGB frames.

Shapes: b batch, h w frame (64 x 64), c colour (3), f features. Frames enter as uint8 (b, h, w, c), whose memory
order is what convolutions on a CPU like best (channels last); they are never copied to another order.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

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
            layers += [Halving(before, after), nn.ReLU()]
        super().__init__(*layers, nn.Flatten())
        self.num_features = 2 * 2 * channels[-1]


class Decoder(nn.Sequential):
    """Transposed convolutions 5-5-6-6 of stride 2 (paper, appendix A.1): (b, z) -> (b, 3, 64, 64)."""

    def __init__(self, z_size: int, num_features: int, channels: Sequence[int]) -> None:
        assert len(channels) == 3, f"a decoder has 3 hidden layers, not {len(channels)}"
        layers: list[nn.Module] = [nn.Linear(z_size, num_features), nn.Unflatten(1, (num_features, 1, 1))]
        sizes = (num_features, *channels, 3)
        for before, after, kernel in zip(sizes[:-1], sizes[1:], (5, 5, 6, 6), strict=True):
            layers += [Doubling(before, after, kernel), nn.ReLU()]
        super().__init__(*layers[:-1], nn.Sigmoid())


class Halving(nn.Conv2d):
    """A 4x4 convolution of stride 2 without padding: torch's parameters and numbers.

    From 6x6 to 2x2, as the last of an encoder, torch's is slow to train in bf16 on a CPU: a matrix product takes its
    place there.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2)

    def forward(self, input: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c', h // 2 - 1, w // 2 - 1)."""
        slow = input.shape[2:] == (6, 6) and _dtype(input) == torch.bfloat16 and torch.is_grad_enabled()
        if not (slow and _at_home(input)):
            return super().forward(input)
        b, c, _, _ = input.shape
        tiles = input.permute(0, 2, 3, 1).reshape(b, 3, 2, 3, 2, c).transpose(2, 3).reshape(b, 3, 3, 4 * c)
        windows = torch.cat([tiles[:, i : i + 2, j : j + 2] for i in (0, 1) for j in (0, 1)], -1)
        weight = self.weight.permute(0, 2, 3, 1).reshape(-1, 2, 2, 2, 2, c).transpose(2, 3).flatten(1)  # as windows
        return functional.linear(windows, weight, self.bias).permute(0, 3, 1, 2)


class Doubling(nn.ConvTranspose2d):
    """A transposed convolution of stride 2 without padding: torch's parameters and numbers, in less time on a CPU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=2)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(b, c, h, w) -> (b, c', 2 (h - 1) + k, 2 (w - 1) + k), channels last in memory."""
        if not _at_home(input) or output_size is not None:
            return super().forward(input, output_size)
        if len(input) == 1 and input.shape[2:] != (1, 1):  # not worth turning the weights round for
            return super().forward(input)
        assert self.bias is not None
        x, weight, bias = (tensor.to(_dtype(input)) for tensor in (input, self.weight, self.bias))
        if x.shape[2:] != (1, 1):
            return _Phases.apply(x, weight, bias)
        c, _, k, _ = weight.shape  # on a map of 1x1 no two taps of the kernel meet: a matrix product
        y = x.flatten(1) @ weight.permute(0, 2, 3, 1).reshape(c, -1)
        return (y.unflatten(1, (k, k, -1)) + bias).permute(0, 3, 1, 2)


class _Phases(torch.autograd.Function):
    """Even and odd rows and columns of the output are four convolutions of stride 1, here done as one.

    The gradients are those of a convolution of stride 2, which torch is quick at, but for the bias's, and in bf16 for
    the weight's on small maps.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        b, _, h, w = x.shape
        before, after, k, _ = weight.shape
        n = (k + 1) // 2  # taps of a phase along each axis; the last is 0 where k is odd
        taps = functional.pad(weight, (0, k % 2, 0, k % 2)).reshape(before, after, n, 2, n, 2).flip(2, 4)
        taps = taps.permute(3, 5, 1, 0, 2, 4).reshape(4 * after, before, n, n)  # row and column phase, channel
        y = functional.conv2d(x, taps.contiguous(memory_format=torch.channels_last), bias.repeat(4), padding=n - 1)
        y = y.permute(0, 2, 3, 1).unflatten(3, (2, 2, after)).transpose(2, 3).reshape(b, 2 * (h + n - 1), -1, after)
        return y[:, : 2 * (h - 1) + k, : 2 * (w - 1) + k].permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004 (torch's signature)
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        by_product = of_weight and x.dtype == torch.bfloat16 and x.shape[2] <= 5
        mask = [of_x, of_weight and not by_product, False]
        size = {"stride": [2, 2], "padding": [0, 0], "dilation": [1, 1], "output_padding": [0, 0], "groups": 1}
        at_x, at_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, **size, transposed=True, output_mask=mask
        )
        if by_product:
            at_weight = _of_weight(x, grad, weight.shape[2])
        return at_x, at_weight, grad.sum((0, 2, 3)) if of_bias else None


def _of_weight(x: Tensor, grad: Tensor, k: int) -> Tensor:
    """Gradient (c, c', k, k) of the weight: each pixel of x (b, c, h, w) times the window that it spreads over."""
    windows = grad.permute(0, 2, 3, 1).unfold(1, k, 2).unfold(2, k, 2).permute(0, 1, 2, 4, 5, 3)  # (b, h, w, k, k, c')
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    return (pixels.t() @ windows.flatten(3).flatten(0, 2)).unflatten(1, (k, k, -1)).permute(0, 3, 1, 2)


def _at_home(x: Tensor) -> bool:
    """Whether `x` is on a CPU, and what is done with it is not recorded for elsewhere."""
    return x.is_cpu and not torch.compiler.is_compiling()


def _dtype(x: Tensor) -> torch.dtype:
    """What a convolution of `x` is computed in."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
