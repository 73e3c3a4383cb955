"""The weights of V, M and C in the order in which the kernels of `native/kernels.c` read them.

Shapes: y x place in a map or a kernel, c channels, z latent, a action, h hidden, g 4 gates, p parameters. Counts of
channels are filled up with zeros to a multiple of 8 (of colours to 4), lengths of vectors to a multiple of 4.
"""

import numpy as np
from torch import Tensor, nn

from reverie.errors import UserError
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vae_gan import VaeGan
from reverie.models.vision import Vision

Arrays = dict[str, np.ndarray]


def decoder_of(vision: Vision) -> nn.Sequential:
    """The decoder that paints: of a VAE/GAN the averaged one, where it has one."""
    averaged = vision.averaged if isinstance(vision, VaeGan) else None
    return averaged or vision.decoder


def vision_arrays(vision: Vision) -> Arrays:
    """Convolutions (y, x, c before, c after), and what maps the encoder's last map to mu and logvar (2 z, ...). Raises
    UserError where the nets are others than World Models'."""
    if vision.net.layout != "ha2018":
        raise UserError(
            f"a page computes World Models' nets only, not vision.net.layout = {vision.net.layout!r}: look at it with "
            "`reverie watch` and `reverie dream`, or take `reverie export onnx`"
        )
    arrays = Arrays()
    for i, layer in enumerate(list(vision.encoder)[:8:2]):
        weight, bias = _numbers(layer)
        before = weight.shape[1] if i == 0 else _up(weight.shape[1], 8)
        weight = _filled(weight.transpose(2, 3, 1, 0), (4, 4, before, _up(len(bias), 8)))
        arrays |= _layer(f"encoder.{i}", weight, _filled(bias, weight.shape[3:]))
    heads = [_numbers(head) for head in (vision.mu, vision.logvar)]
    weight, bias = (np.concatenate(parts) for parts in zip(*heads, strict=True))
    weight = weight.reshape(len(bias), -1, 2, 2).transpose(0, 2, 3, 1)
    weight = _filled(weight, (_up(len(bias), 4), 2, 2, _up(weight.shape[3], 8)))
    arrays |= _layer("encoder.latent", weight.reshape(len(weight), -1), _filled(bias, weight.shape[:1]))
    return arrays | _decoder_arrays(decoder_of(vision))


def _decoder_arrays(decoder: nn.Sequential) -> Arrays:
    """Between z and the first map (5, 5, c) there is nothing but two linear maps, so one does what they do."""
    (features, offset), (weight, bias) = _numbers(decoder[0]), _numbers(decoder[2])
    co = _up(len(bias), 8)
    spread = _filled(weight.transpose(2, 3, 1, 0), (5, 5, co, len(features))).reshape(-1, len(features))
    first = spread @ features
    first_bias = spread @ offset + np.tile(_filled(bias, (co,)), 25)
    arrays = _layer("decoder.0", _filled(first, (len(first), _up(first.shape[1], 4))), first_bias)
    for i, layer in enumerate(list(decoder)[4::2], 1):
        weight, bias = _numbers(layer)
        size = (_up(len(weight), 8), 4 if i == 3 else _up(len(bias), 8))
        # pixels of one parity see taps of that parity alone: four convolutions, one after the other
        parities = [weight[:, :, y::2, x::2].transpose(2, 3, 0, 1) for y in (0, 1) for x in (0, 1)]
        taps = [_filled(part, (*part.shape[:2], *size)).reshape(-1, *size) for part in parities]
        arrays |= _layer(f"decoder.{i}", np.concatenate(taps), _filled(bias, size[1:]))
    return arrays


def memory_arrays(memory: Memory) -> Arrays:
    """For each layer (g, h) x [what it reads, its own h], and the heads; what the first layer reads is one vector."""
    arrays = Arrays()
    h = _up(memory.config.hidden_size, 4)
    for i in range(memory.config.num_layers):
        read, state, bias = (
            getattr(memory.lstm, f"{name}_l{i}").detach().double().numpy().reshape(4, memory.config.hidden_size, -1)
            for name in ("weight_ih", "weight_hh", "bias_ih")
        )
        columns = [_filled(read, (4, h, _up(read.shape[2], 4))), _filled(state, (4, h, h))]
        arrays |= _layer(f"lstm.{i}", np.concatenate(columns, 2).reshape(4 * h, -1), _filled(bias, (4, h, 1)).ravel())
    weight, bias = _numbers(memory.head)
    outputs = _up(len(bias), 4)
    return arrays | _layer("head", _filled(weight, (outputs, h)), _filled(bias, (outputs,)))


def controller_arrays(controller: Controller, params: np.ndarray) -> Arrays:
    """Layers of C; what the first one reads are z, h, c, each filled up for itself."""
    arrays, start = Arrays(), 0
    sizes = {"z": controller.z_size, "h": controller.h_size, "c": controller.h_size}
    parts = [sizes[name] for name in controller.config.inputs]
    for i, outputs in enumerate(controller.layers[1:]):
        inputs = sum(parts)
        weight = params[start : start + inputs * outputs].reshape(outputs, inputs)
        start += inputs * outputs
        bias = params[start : start + outputs] if controller.config.bias else np.zeros(outputs, params.dtype)
        rows = _up(outputs, 4)
        columns = [_filled(part, (rows, _up(part.shape[1], 4))) for part in np.split(weight, np.cumsum(parts)[:-1], 1)]
        arrays |= _layer(f"controller.{i}", np.concatenate(columns, 1), _filled(bias, (rows,)))
        start, parts = start + controller.config.bias * outputs, [outputs]
    return arrays


def _layer(name: str, weight: np.ndarray, bias: np.ndarray) -> Arrays:
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _numbers(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias in float64, in which products of them are made."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    return weight.detach().double().numpy(), bias.detach().double().numpy()


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _filled(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array with zeros behind it along every axis, up to `shape`."""
    return np.pad(array, [(0, to - size) for size, to in zip(array.shape, shape, strict=True)])
