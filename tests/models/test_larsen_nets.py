"""The nets of Larsen et al. 2016: their sizes, what transposed convolutions are, and that a VAE/GAN of them learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reverie import checkpoint
from reverie.errors import UserError
from reverie.models.autoencoder import NetConfig
from reverie.models.discriminator import Discriminator, DiscriminatorConfig
from reverie.models.files import load_vision, save_vision
from reverie.models.larsen_nets import LarsenDecoder, LarsenEncoder
from reverie.models.vae import Vae, VaeConfig
from reverie.models.vae_gan import VaeGan, larsen
from reverie.models.vision import make_vision
from reverie.run import settings
from reverie.run.recipe import FitConfig
from reverie.training.loop import learning_rate, make_optimizer
from reverie.web.layout import vision_arrays

SMALL = NetConfig(
    layout="larsen2016", z_size=4, encoder_channels=(4, 4, 8, 16), decoder_features=8, decoder_channels=(8, 4, 4)
)
JUDGE = DiscriminatorConfig(
    channels=(4, 8, 8, 8), kernel=5, first_stride=1, features=8, layer=3, normalisation="larsen"
)


def frames(b: int) -> Tensor:
    return torch.randint(0, 256, (b, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_recipe_has_the_sizes_of_the_paper() -> None:
    stage = settings.load("larsen").vision
    with torch.device("meta"):
        vision = make_vision(stage)
    assert isinstance(vision, VaeGan)
    norms = 2 * (64 + 128 + 256 + 2048)
    assert count(vision.encoder) == 25 * (3 * 64 + 64 * 128 + 128 * 256) + 8 * 8 * 256 * 2048 + norms
    norms = 2 * (8 * 8 * 256 + 256 + 128 + 32)
    convolutions = 25 * (256 * 256 + 256 * 128 + 128 * 32 + 32 * 3) + 3
    assert count(vision.decoder) == 128 * 8 * 8 * 256 + convolutions + norms
    assert replace(vision.config, reconstruction_in_gan=True) == larsen()
    seen = vision.discriminator(torch.zeros(2, 3, 64, 64, device="meta"))
    assert seen.features.shape == (2, 256, 8, 8)
    assert seen.logit.shape == (2, 1)


def test_pictures_lie_between_0_and_1_and_a_net_of_zeros_draws_grey() -> None:
    decoder = LarsenDecoder(4, 8, (8, 4, 4))
    images = decoder(10 * torch.randn(5, 4))
    assert images.shape == (5, 3, 64, 64)
    assert images.min() >= 0
    assert images.max() <= 1
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    assert (decoder(torch.randn(5, 4)) == 0.5).all()
    assert LarsenEncoder((4, 4, 8, 16))(images).shape == (5, 16)


def test_a_transposed_convolution_is_the_transpose_of_the_encoder_s() -> None:
    forth = LarsenEncoder((4, 4, 8, 16))[0]
    back = LarsenDecoder(4, 4, (3, 4, 4))[4]
    assert isinstance(forth, nn.Conv2d)
    assert isinstance(back, nn.ConvTranspose2d)
    x, y = torch.randn(1, 3, 64, 64, dtype=torch.float64), torch.randn(1, 4, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        back.weight.copy_(forth.weight)
        there, and_back = (forth.double()(x) * y).sum(), (back.double()(y) * x).sum()
    torch.testing.assert_close(there, and_back)


def test_its_discriminator_does_not_leak_and_normalises_its_features() -> None:
    judge = Discriminator(JUDGE)
    assert isinstance(judge.verdict[2], nn.BatchNorm1d)
    seen = []
    judge.verdict[3].register_forward_hook(lambda *said: seen.append(said[2]))
    judge(torch.rand(6, 3, 64, 64))
    assert seen[0].min() == 0
    plain = Discriminator(replace(JUDGE, normalisation="batch"))
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in plain.modules())


def test_a_vae_gan_of_them_learns() -> None:
    torch.manual_seed(0)
    model = VaeGan(SMALL, replace(larsen(), discriminator=JUDGE, gamma=1e-2))
    fit = FitConfig(optimizer="rmsprop", learning_rate=3e-3)
    optimizer = make_optimizer(fit, [{"params": list(model.parameters())}])
    some, errors = frames(1).expand(8, -1, -1, -1).contiguous() // 8 + 200, []
    for _ in range(30):
        loss, metrics = model.loss(some, torch.Generator().manual_seed(1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        model.after_step()
        errors.append(metrics["loss_reconstruction"].item())
    assert errors[-1] < 0.5 * errors[0]


def test_they_come_back_from_a_file_and_older_files_have_the_other_nets(tmp_path: Path) -> None:
    path, model = tmp_path / "vision.safetensors", VaeGan(SMALL, replace(larsen(), discriminator=JUDGE)).eval()
    save_vision(path, model)
    found = load_vision(path).eval()
    assert found.net == SMALL
    assert torch.equal(found.encode(frames(3)).mu, model.encode(frames(3)).mu)
    small = NetConfig(z_size=4, encoder_channels=(4, 4, 8, 8), decoder_features=16, decoder_channels=(8, 8, 4))
    save_vision(path, Vae(small, VaeConfig()))
    tensors, meta = checkpoint.load(path)
    del meta["net"]["layout"]
    checkpoint.save(path, tensors, meta)
    assert load_vision(path).net == small


def test_a_browser_does_not_draw_them() -> None:
    with pytest.raises(UserError, match="a page computes World Models' nets only"):
        vision_arrays(Vae(SMALL, VaeConfig()))


def test_rmsprop_and_its_schedule_are_the_authors() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = make_optimizer(FitConfig(optimizer="rmsprop", learning_rate=0.01), [{"params": [weight]}])
    (weight * torch.tensor([3.0, -5.0])).sum().backward()
    optimizer.step()
    # 0.01 * g / sqrt(0.1 g^2)
    torch.testing.assert_close(weight.detach(), 1 + 0.01 * 10**0.5 * torch.tensor([-1.0, 1.0]))
    fit = FitConfig(learning_rate=2.0, schedule="power")
    assert [learning_rate(fit, step, 16) for step in (0, 1, 16)] == pytest.approx([2.0, 2 * (1 - 1 / 8), 0.0])
