"""V: the VAE/GAN (Larsen et al. 2016, arXiv 1512.09300): its error is that of features which a discriminator learns.

Shapes: b batch, h w frame, c colour, z latent, f features (of one layer of the discriminator, laid flat).
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, Self

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor
from torch.nn import functional

from reverie.models.autoencoder import Autoencoder, NetConfig
from reverie.models.conv import to_float
from reverie.models.discriminator import Discriminator, DiscriminatorConfig
from reverie.types import Factor, LossAndMetrics, NotNegative, Positive

EQUILIBRIUM, MARGIN = 0.68, 0.35
"""Of the authors' balancing: the discriminator rests while a loss of it is below 0.33, the decoder while above 1.03."""


@dataclass(frozen=True, kw_only=True)
class VaeGanConfig:
    """Discriminator and losses of a VAE/GAN; `larsen` has the paper's."""

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """What learns the features."""
    feature_weight: Annotated[float, Gt(0), Le(1e9)] = 0.1
    """Factor of the feature error, half the *sum* of squared differences over the layer (paper: 1)."""
    unit_features: bool = True
    """Whether features are first divided by the root of their mean square over the batch's frames, so that the error
    does not depend on the scale at which the discriminator works (paper: no)."""
    gamma: Annotated[float, Gt(0), Le(1e9)] = 1.0
    """Factor of the reconstruction error, features and pixels as they are weighted, in the decoder's loss, against the
    adversarial one of factor 1; for the sum over features (the authors' code: 1e-6)."""
    pixel_weight: Factor = 4.0
    """Factor of a squared error of pixels, summed over an image, that is added to the feature error (paper: 0)."""
    adversarial: Literal["saturating", "non_saturating", "hinge"] = "non_saturating"
    """The decoder minimises log(1 - D(fake)) (paper), -log D(fake), or -logit(fake) against a hinge."""
    reconstruction_in_gan: bool = True
    """Whether the discriminator must also tell reconstructions from frames, or samples from the prior alone."""
    together: bool = False
    """Whether frames and fakes go through the discriminator as one batch, and as another where their features are
    compared (the authors' code): it matters where batches are normalised."""
    balance: bool = False
    """Whether discriminator or decoder rest while the other is too far behind (the authors' code)."""
    r1: Factor = 1.0
    """Factor of R1, the squared gradient of the discriminator at real frames (Mescheder et al. 2018; paper: 0)."""
    r1_every: Positive = 16
    """Steps between two R1 terms, each that many times as heavy (Karras et al. 2020)."""
    warm_up: NotNegative = 800
    """First steps, in which encoder and decoder learn from pixels alone while the discriminator learns as always
    (paper: 0)."""
    warm_up_weight: Annotated[float, Gt(0), Le(1e9)] = 4.0
    """Factor of the squared error of pixels during the warm-up."""
    ema: Annotated[float, Ge(0), Lt(1)] = 0.99
    """Memory of the moving average of the decoder's weights that decodes after training; 0 for the weights as they
    are."""
    discriminator_rate: Annotated[float, Gt(0), Le(100)] = 1.0
    """Factor of the learning rate for the discriminator."""


def larsen() -> VaeGanConfig:
    """Larsen et al. as their code has it at 64 pixels, but for encoder and decoder, which `NetConfig` has."""
    discriminator = DiscriminatorConfig(
        channels=(32, 128, 256, 256), kernel=5, first_stride=1, features=512, layer=3, normalisation="larsen"
    )
    return VaeGanConfig(
        discriminator=discriminator,
        feature_weight=1.0,
        unit_features=False,
        gamma=1e-6,
        pixel_weight=0.0,
        adversarial="saturating",
        together=True,
        balance=True,
        r1=0.0,
        warm_up=0,
        ema=0.0,
    )


class Judgement(NamedTuple):
    """What the discriminator says of a batch, and what its verdict asks of the images (b, c, h, w)."""

    feature: Tensor
    """() the weighted feature error of the reconstructions."""
    fool: Tensor
    """() the decoder's adversarial loss."""
    real: Tensor
    """() the discriminator's loss on frames."""
    fake: Tensor
    """() the same on fakes, summed over their kinds."""
    feature_at_images: Tensor
    """Gradient of `feature` at the reconstructions."""
    fool_at_images: Tensor | None
    """Gradient of `fool` at the reconstructions; None where they take no part in it."""
    fool_at_samples: Tensor
    """The same at samples from the prior."""
    right_on_real: Tensor
    """() share of frames taken for real."""
    right_on_fake: Tensor
    """() share of fakes found out."""


class VaeGan(Autoencoder):
    """Encoder and decoder of a VAE with a discriminator, whose layer measures the error."""

    steps: Tensor
    """() training steps so far."""

    def __init__(self, net: NetConfig, config: VaeGanConfig) -> None:
        super().__init__(net)
        self.config = config
        self.discriminator = Discriminator(config.discriminator)
        self.averaged = copy.deepcopy(self.decoder).requires_grad_(False) if config.ema else None
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Steps are counted on the CPU, wherever the weights are: who asks how many there were need not wait."""
        steps = self._buffers.get("steps")  # None while it is being made
        super()._apply(fn, recurse)
        if steps is not None:
            self.steps = steps
        return self

    def images(self, z: Tensor) -> Tensor:
        """z (b, z) -> images (b, c, h, w) in [0, 1], by the averaged decoder where there is one."""
        return (self.averaged or self.decoder)(z)

    def features(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, h, w, c) -> what the discriminator's layer sees in them, (b, f) in float32."""
        return self.discriminator(to_float(frames)).features.flatten(1).float()

    def rates(self) -> dict[str, float]:
        """The discriminator may learn faster or slower."""
        return {"discriminator.": self.config.discriminator_rate}

    @torch.no_grad()
    def after_step(self) -> None:
        """Counts steps, and lets the averaged decoder follow."""
        self.steps += 1
        if self.averaged is not None:
            step = int(self.steps)
            follow = 1 - min(self.config.ema, (1 + step) / (10 + step))  # fast at first, when there is little to keep
            for average, now in zip(self.averaged.parameters(), self.decoder.parameters(), strict=True):
                average.lerp_(now, follow)
            for kept, now in zip(self.averaged.buffers(), self.decoder.buffers(), strict=True):
                kept.copy_(now)  # what batch normalisation keeps is an average already

    def loss(self, frames: Tensor, generator: torch.Generator | None = None) -> LossAndMetrics:
        """Losses of uint8 frames (b, h, w, c), each with its gradient where it belongs (algorithm 1); batch means.

        The encoder follows L_prior + L_feat, the decoder gamma L_feat and its adversarial loss, the discriminator its
        own, all of them at the same weights; an error of pixels goes with L_feat, if there is one. The scalar has these
        gradients; its value is the sum of the losses.
        """
        config, real = self.config, to_float(frames)
        posterior = self.encode(frames)
        z = posterior.sample(generator)
        z_prior = torch.randn(z.shape, generator=generator, device=z.device)
        at_z = z.detach().requires_grad_()
        images, samples = self.decoder(at_z).float(), self.decoder(z_prior).float()
        said = self._judge(real, images.detach(), samples.detach())
        discriminate = said.real + said.fake + self._regularisation(real)
        warming = self.training and int(self.steps) < config.warm_up
        pixel_weight = config.warm_up_weight if warming else config.pixel_weight
        pixel_at_images = 2 * pixel_weight / len(frames) * (images.detach() - real)

        for_encoder = for_decoder = pixel_at_images
        if not warming:
            for_encoder = pixel_at_images + said.feature_at_images
            for_decoder = config.gamma * for_encoder
            if said.fool_at_images is not None:
                for_decoder = for_decoder + said.fool_at_images
        (at_latent,) = torch.autograd.grad(images, at_z, for_encoder, retain_graph=True)
        kl = posterior.kl_to_standard_normal().mean()
        discriminator_learns, decoder_learns = self._who_learns(said)
        # A product with a gradient that is held fixed has that gradient, and passes it on.
        parts = [kl, (z * at_latent).sum()]
        if discriminator_learns:
            parts.append(discriminate)
        if decoder_learns or warming:
            parts.append((images * for_decoder).sum())
        if decoder_learns and not warming:
            parts.append((samples * said.fool_at_samples).sum())
        scalar = torch.stack(parts).sum()

        pixel = (images.detach() - real).square().sum((1, 2, 3)).mean()
        value = (kl + said.feature + said.fool + discriminate + pixel_weight * pixel).detach()
        metrics = {
            "loss": value,
            "loss_kl": kl,
            "loss_features": said.feature,
            "loss_reconstruction": pixel,
            "loss_fool": said.fool,
            "loss_discriminator": said.real + said.fake,
            "right_on_real": said.right_on_real,
            "right_on_fake": said.right_on_fake,
        }
        return scalar - scalar.detach() + value, metrics

    def _judge(self, real: Tensor, images: Tensor, samples: Tensor) -> Judgement:
        """One pass of the discriminator over frames, reconstructions and samples.

        Its weights are reached by `real` and `fake` alone: the other losses end at the images.
        """
        in_gan = self.config.reconstruction_in_gan
        images, samples = images.requires_grad_(), samples.requires_grad_()
        if self.config.together:
            features, of_images = self._features_together(real, images)
            logit_real, logit_samples, logit_images = self._logits_together(real, samples, images)
        else:
            seen_real, seen_images, seen_samples = map(self.discriminator, (real, images, samples))
            features, of_images = seen_real.features.detach().float(), seen_images.features.float()
            logit_real, logit_samples, logit_images = seen_real.logit, seen_samples.logit, seen_images.logit
        difference = of_images - features
        if self.config.unit_features:
            difference = difference / features.square().mean().sqrt().clamp(min=1e-6)
        feature = self.config.feature_weight * 0.5 * difference.square().flatten(1).sum(1).mean()
        fakes = torch.stack([logit_samples, logit_images] if in_gan else [logit_samples])
        fool = self._fool(fakes).mean((1, 2)).sum()
        (feature_at_images,) = torch.autograd.grad(feature, images, retain_graph=True)
        at = torch.autograd.grad(fool, [samples, images] if in_gan else [samples], retain_graph=True)
        hinge = self.config.adversarial == "hinge"  # Lim & Ye 2017
        against = functional.relu if hinge else functional.softplus
        margin = 1.0 if hinge else 0.0
        return Judgement(
            feature=feature.detach(),
            fool=fool.detach(),
            real=against(margin - logit_real).mean(),
            fake=against(margin + fakes).mean((1, 2)).sum(),
            feature_at_images=feature_at_images,
            fool_at_images=at[1] if in_gan else None,
            fool_at_samples=at[0],
            right_on_real=(logit_real > 0).float().mean(),
            right_on_fake=(fakes < 0).float().mean(),
        )

    def _features_together(self, real: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features of frames, which nothing is to follow, and of reconstructions, as one batch."""
        features = self.discriminator(torch.cat([images, real])).features.float()
        return features[len(images) :].detach(), features[: len(images)]

    def _logits_together(self, real: Tensor, samples: Tensor, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of frames, samples and reconstructions as one batch; without the last where they take no part."""
        kinds = [real, samples, images] if self.config.reconstruction_in_gan else [real, samples]
        logits = self.discriminator(torch.cat(kinds)).logit.split(len(real))
        return logits[0], logits[1], logits[-1]

    def _fool(self, fakes: Tensor) -> Tensor:
        """What the decoder minimises to have logits taken for real; same shape."""
        if self.config.adversarial == "saturating":
            return -functional.softplus(fakes)  # log(1 - D)
        if self.config.adversarial == "non_saturating":
            return functional.softplus(-fakes)  # -log D (Goodfellow et al. 2014)
        return -fakes

    def _regularisation(self, real: Tensor) -> Tensor:
        """R1 in the steps where it is due: half the squared norm of the logit's gradient at frames (Mescheder 2018)."""
        config = self.config
        if not (config.r1 and self.training and int(self.steps) % config.r1_every == 0):
            return real.new_zeros(())
        real = real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.discriminator(real).logit.mean(1).sum(), real, create_graph=True)
        return config.r1_every * config.r1 / 2 * gradient.float().square().sum((1, 2, 3)).mean()

    def _who_learns(self, said: Judgement) -> tuple[bool, bool]:
        """Whether discriminator and decoder learn in this step."""
        if not self.config.balance:
            return True, True
        losses = (float(said.real.detach()), float(said.fake.detach()) / (1 + self.config.reconstruction_in_gan))
        discriminator, decoder = min(losses) >= EQUILIBRIUM - MARGIN, max(losses) <= EQUILIBRIUM + MARGIN
        return (discriminator, decoder) if discriminator or decoder else (True, True)
