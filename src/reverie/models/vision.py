"""Which vision model, and of what size: the one place that knows them all."""

from dataclasses import dataclass, field
from typing import Any, Literal

from reverie.models.autoencoder import NetConfig
from reverie.models.vae import Vae, VaeConfig
from reverie.models.vae_gan import VaeGan, VaeGanConfig

Vision = Vae | VaeGan
"""Any vision model."""
VISION_MODELS: dict[str, tuple[Any, Any]] = {"vae": (Vae, VaeConfig), "vae_gan": (VaeGan, VaeGanConfig)}
"""Kind -> its class and the class of its config."""


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """V: its network and its loss."""

    model: Literal["vae", "vae_gan"] = "vae"
    """A VAE, whose error is that of pixels, or a VAE/GAN, whose error is that of features which it learns."""
    net: NetConfig = field(default_factory=NetConfig)
    """Encoder and decoder, the same for both."""
    vae: VaeConfig = field(default_factory=VaeConfig)
    """The loss of the VAE."""
    vae_gan: VaeGanConfig = field(default_factory=VaeGanConfig)
    """Discriminator and losses of the VAE/GAN."""


def make_vision(config: VisionConfig) -> Vision:
    """The model that `config` names, with random weights."""
    return Vae(config.net, config.vae) if config.model == "vae" else VaeGan(config.net, config.vae_gan)


def kind_of(vision: Vision) -> str:
    """The name of a model's kind, as `vision.model` has it."""
    return next(kind for kind, (model, _) in VISION_MODELS.items() if type(vision) is model)
