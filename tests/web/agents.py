"""V, M and C of any configuration, with random weights."""

import numpy as np
import torch

from reverie.actions import AnyActions
from reverie.dream.dreamer import Dreams
from reverie.dream.ensemble import Member
from reverie.dream.moments import Moments, World
from reverie.models.autoencoder import NetConfig
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.mdn_rnn import Memory, MemoryConfig, MemoryState
from reverie.models.vae_gan import VaeGan
from reverie.models.vision import VisionConfig, make_vision
from reverie.seeding import torch_seeded

SMALL = NetConfig(z_size=5, encoder_channels=(3, 8, 12, 9), decoder_features=7, decoder_channels=(10, 6, 3))
"""No number of channels is a multiple of what the kernels want."""
NUM_MOMENTS = 3


def ensemble_of(
    memory: MemoryConfig, vision: VisionConfig, actions: AnyActions, controller: ControllerConfig, members: int = 1
) -> tuple[Dreams, Controller, np.ndarray]:
    """V, M and C with random weights, larger than at birth, so that gates do something and pictures have contrast."""
    with torch_seeded(3, "engine"):
        seen = make_vision(vision)
        if isinstance(seen, VaeGan) and seen.averaged is not None:
            for parameter in seen.averaged.parameters():
                parameter.data *= -0.9  # another one than the decoder that is trained
        sizes = (vision.net.z_size, actions.size)
        every = [Memory(memory, *sizes) for _ in range(members)]
        driver = Controller(controller, sizes[0], memory.hidden_size, actions)
        params = torch.randn(driver.num_params).numpy() * 0.5
        z = torch.randn(NUM_MOMENTS, sizes[0])
        rew, earned, frames = torch.randn(NUM_MOMENTS), torch.tensor([0.0, 10, 20]), torch.tensor([40, 80, 120])
        states = [torch.randn(2, NUM_MOMENTS, memory.num_layers, memory.hidden_size) for _ in every]
        banks = [Moments(z=z, state=MemoryState(*s), rew=rew, earned=earned, frames=frames) for s in states]
    for name, parameter in [pair for module in (seen, *every) for pair in module.named_parameters()]:
        parameter.data *= 5 if name.startswith(("decoder", "averaged")) else 2
    world = World(env_id="Any-v0", actions=actions, action_repeat=4, max_decisions=250)
    others = tuple(Member(memory=one, moments=bank) for one, bank in zip(every[1:], banks[1:], strict=True))
    return Dreams(seen.eval(), every[0].eval(), banks[0], world, others), driver, params
