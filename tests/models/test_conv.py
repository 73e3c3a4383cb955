"""The quick layers against torch's own, and the images of the shipped V."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import reverie
from reverie.models.conv import Decoder, Doubling, Encoder, Halving
from reverie.models.files import load_vision

SIZES = [  # batch, channels before and after, kernel, height, width
    (1, 8, 6, 5, 1, 1),
    (3, 8, 6, 5, 1, 1),
    (1, 6, 5, 5, 5, 5),
    (4, 6, 5, 5, 5, 5),
    (2, 5, 4, 6, 13, 13),
    (2, 4, 3, 6, 30, 30),
    (2, 3, 4, 3, 4, 7),
    (2, 3, 4, 4, 6, 2),
    (2, 3, 4, 2, 3, 3),
]


def layers(size: tuple[int, ...]) -> tuple[Doubling, nn.ConvTranspose2d, Tensor]:
    """Ours, torch's with the same parameters, and an input."""
    b, before, after, kernel, h, w = size
    torch.manual_seed(0)
    ours, theirs = Doubling(before, after, kernel), nn.ConvTranspose2d(before, after, kernel, stride=2)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs, torch.randn(b, before, h, w)


def gradients(layer: nn.Module, x: Tensor, *, bf16: bool = False) -> list[Tensor]:
    """Output, and the gradients of a random scalar of it for input, weight and bias."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = layer(x)
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return [y, *torch.autograd.grad((y.float() * noise).sum(), [x, *layer.parameters()])]


def assert_close(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert (a - b).abs().max() <= tolerance * b.abs().max()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_doubling_is_torchs_transposed_convolution(size: tuple[int, ...], *, channels_last: bool) -> None:
    ours, theirs, x = layers(size)
    if channels_last:
        ours.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)
        x = x.contiguous(memory_format=torch.channels_last)
    assert_close(gradients(ours, x), gradients(theirs, x), 1e-5)
    with torch.inference_mode():
        assert_close([ours(x)], [theirs(x)], 1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_doubling_in_bf16_is_as_near_to_fp32_as_torchs(size: tuple[int, ...]) -> None:
    ours, theirs, x = layers(size)
    exact, found, plain = gradients(theirs, x), gradients(ours, x, bf16=True), gradients(theirs, x, bf16=True)
    for a, b, c in zip(found, plain, exact, strict=True):
        assert a.dtype == b.dtype
        assert (a - c).square().mean() <= 2 * (b - c).square().mean() + 1e-12


@pytest.mark.parametrize("size", [(2, 3, 2, 5, 1, 1), (2, 2, 3, 5, 2, 3), (2, 2, 2, 6, 3, 2)])
def test_doubling_has_first_and_second_derivatives(size: tuple[int, ...]) -> None:
    ours, _, x = layers(size)
    inputs = tuple(tensor.detach().double().requires_grad_() for tensor in (x, *ours.parameters()))

    def apply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(ours, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(apply, inputs)
    assert torch.autograd.gradgradcheck(apply, inputs)


@pytest.mark.parametrize("frozen", [("weight",), ("bias",), ("weight", "bias")])
def test_what_is_frozen_gets_no_gradient(frozen: tuple[str, ...]) -> None:
    ours, theirs, x = layers(SIZES[3])
    for layer in (ours, theirs):
        for name in frozen:
            getattr(layer, name).requires_grad = False
        layer(x.clone().requires_grad_()).square().sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None and b.grad is not None:
            assert_close([a.grad], [b.grad], 1e-5)


@pytest.mark.parametrize(("size", "b"), [(6, 1), (6, 7), (14, 3), (31, 2)])
def test_halving_is_torchs_convolution(size: int, b: int) -> None:
    torch.manual_seed(0)
    ours, theirs = Halving(8, 5), nn.Conv2d(8, 5, 4, stride=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(b, 8, size, size)
    exact = gradients(theirs, x)
    assert_close(gradients(ours, x), exact, 1e-5)
    for a, b_, c in zip(gradients(ours, x, bf16=True), gradients(theirs, x, bf16=True), exact, strict=True):
        assert a.dtype == b_.dtype
        assert (a - c).square().mean() <= 2 * (b_ - c).square().mean() + 1e-12


def test_halving_has_torchs_numbers_where_a_product_takes_its_place() -> None:
    torch.manual_seed(0)
    ours, theirs = Halving(8, 5).bfloat16(), nn.Conv2d(8, 5, 4, stride=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randint(-4, 5, (3, 8, 6, 6)).float()  # exact in bf16
    found, expected = ours(x.bfloat16()), theirs(x)
    assert (found.float() - expected).abs().max() <= 2**-7 * expected.abs().max()


def plain(layer: nn.Module) -> nn.Module:
    """A copy of an encoder or decoder with torch's own layers."""
    layer = copy.deepcopy(layer)
    for name, module in layer.named_children():
        if isinstance(module, (Halving, Doubling)):
            kind = nn.Conv2d if isinstance(module, Halving) else nn.ConvTranspose2d
            other = kind(module.in_channels, module.out_channels, module.kernel_size, stride=2)  # pyright: ignore[reportArgumentType]
            other.load_state_dict(module.state_dict())
            setattr(layer, name, other)
    return layer


@pytest.mark.parametrize("b", [1, 5])
def test_the_shipped_v_decodes_as_with_torchs_layers(b: int) -> None:
    vision = load_vision(Path(reverie.__file__).parent / "shipped" / "pretrained" / "vision.safetensors")
    z = torch.randn(b, vision.z_size, generator=torch.Generator().manual_seed(0))
    frames = vision.decode(z).permute(0, 3, 1, 2)
    with torch.inference_mode():
        assert_close([vision.decoder(z)], [plain(vision.decoder)(z)], 1e-5)
        assert_close([vision.encoder(frames / 255)], [plain(vision.encoder)(frames / 255)], 1e-5)


def test_parameters_are_named_and_shaped_as_torchs() -> None:
    for net in (Encoder((4, 5, 6, 7)), Decoder(3, 8, (6, 5, 4))):
        ours, theirs = net.state_dict(), plain(net).state_dict()
        assert {name: tensor.shape for name, tensor in ours.items()} == {name: t.shape for name, t in theirs.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in Decoder(3, 8, (6, 5, 4)).state_dict().items()}
    assert shapes["0.weight"] == (8, 3)
    assert shapes["2.weight"] == (8, 6, 5, 5)
    assert shapes["8.bias"] == (3,)


def test_a_trace_for_elsewhere_holds_torchs_layers() -> None:
    graph = torch.export.export(Decoder(3, 8, (6, 5, 4)).eval(), (torch.zeros(2, 3),)).graph_module.graph
    called = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    assert sum("conv_transpose2d" in name for name in called) == 4
