"""VAE/GAN: which loss reaches which part, checked against gradients that are written out one by one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reverie.models.autoencoder import NetConfig
from reverie.models.conv import to_float
from reverie.models.discriminator import Discriminator, DiscriminatorConfig
from reverie.models.vae_gan import VaeGan, larsen

NET = NetConfig(z_size=4, encoder_channels=(4, 4, 8, 8), decoder_features=16, decoder_channels=(8, 8, 4))
JUDGE = DiscriminatorConfig(channels=(4, 8, 8), kernel=4, first_stride=2, features=8, layer=1, normalisation="none")


def frames(b: int = 6) -> Tensor:
    return torch.randint(0, 256, (b, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def make(**settings) -> VaeGan:
    torch.manual_seed(0)
    plain = {"discriminator": JUDGE, "balance": False, "together": False, "gamma": 1e-3}
    return VaeGan(NET, replace(larsen(), **{**plain, **settings}))


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def gradients(model: VaeGan) -> dict[str, Tensor]:
    """Of one step, by parameter; zeros where there is none."""
    model.zero_grad(set_to_none=True)
    model.loss(frames(), noise())[0].backward()
    return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}


def part(name: str) -> str:
    return {"mu": "encoder", "logvar": "encoder"}.get(name.split(".")[0], name.split(".")[0])


class Written:
    """The losses of algorithm 1, each with a graph of its own through every part."""

    def __init__(self, model: VaeGan) -> None:
        self.model, generator, real = model, noise(), to_float(frames())
        posterior = model.encode(frames())
        z = posterior.sample(generator)
        z_prior = torch.randn(z.shape, generator=generator)
        images, samples = model.decoder(z), model.decoder(z_prior)
        seen, seen_images, seen_samples = map(model.discriminator, (real, images, samples))
        self.prior = posterior.kl_to_standard_normal().mean()
        self.feature = 0.5 * (seen.features.detach() - seen_images.features).square().flatten(1).sum(1).mean()
        self.pixel = (images - real).square().sum((1, 2, 3)).mean()
        self.real, self.images, self.samples = seen.logit, seen_images.logit, seen_samples.logit

    def gradients(self, loss: Tensor, of: str) -> dict[str, Tensor]:
        named = {n: p for n, p in self.model.named_parameters() if part(n) == of}
        found = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
        return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(named.items(), found, strict=True)}


def expect(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max() + 1e-6))


def discriminator_loss(losses: Written, kind: str, in_gan: bool) -> Tensor:
    fakes = [losses.samples, losses.images] if in_gan else [losses.samples]
    if kind == "hinge":
        return functional.relu(1 - losses.real).mean() + sum(functional.relu(1 + f).mean() for f in fakes)
    real = -functional.logsigmoid(losses.real).mean()
    return real - sum(functional.logsigmoid(-f).mean() for f in fakes)


def fool_loss(losses: Written, kind: str, in_gan: bool) -> Tensor:
    fakes = [losses.samples, losses.images] if in_gan else [losses.samples]
    each = {
        "saturating": lambda f: functional.logsigmoid(-f).mean(),
        "non_saturating": lambda f: -functional.logsigmoid(f).mean(),
        "hinge": lambda f: -f.mean(),
    }[kind]
    return torch.stack([each(f) for f in fakes]).sum()


@pytest.mark.parametrize("in_gan", [True, False])
@pytest.mark.parametrize("kind", ["saturating", "non_saturating", "hinge"])
def test_each_part_gets_the_gradients_of_its_own_losses(kind: str, in_gan: bool):
    model = make(adversarial=kind, reconstruction_in_gan=in_gan, gamma=0.3)
    found, losses = gradients(model), Written(model)
    expect(found, losses.gradients(losses.prior + losses.feature, "encoder"))
    expect(found, losses.gradients(0.3 * losses.feature + fool_loss(losses, kind, in_gan), "decoder"))
    expect(found, losses.gradients(discriminator_loss(losses, kind, in_gan), "discriminator"))
    # A hinge pulls real up as much as it pushes fakes down: its bias may stand still.
    assert all(float(g.abs().max()) > 0 for n, g in found.items() if n != "discriminator.verdict.3.bias")


def test_the_encoder_gets_no_adversarial_gradient():
    a, b = gradients(make(gamma=1e-3)), gradients(make(gamma=1e-3, adversarial="hinge"))
    for name in a:
        same = torch.equal(a[name], b[name])
        assert same if part(name) == "encoder" else not same, name


def test_the_discriminator_gets_nothing_of_the_feature_error():
    a, b = gradients(make()), gradients(make(feature_weight=50.0))
    for name in a:
        same = torch.equal(a[name], b[name])
        assert same if part(name) == "discriminator" else not same, name


def test_weights_of_features_and_pixels():
    model = make(feature_weight=3.0, gamma=0.5, pixel_weight=2.0)
    found, losses = gradients(model), Written(model)
    expect(found, losses.gradients(losses.prior + 3 * losses.feature + 2 * losses.pixel, "encoder"))
    fool = fool_loss(losses, "saturating", True)
    expect(found, losses.gradients(0.5 * (3 * losses.feature + 2 * losses.pixel) + fool, "decoder"))


def test_unit_features_do_not_depend_on_the_scale_of_the_layer():
    a, b = make(unit_features=True), make(unit_features=True)
    with torch.no_grad():
        for parameter in b.discriminator.convolutions[1].parameters():
            parameter.mul_(7.0)
    one, other = (model.loss(frames(), noise())[1]["loss_features"] for model in (a, b))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=0)
    losses, seen = Written(a), a.discriminator(to_float(frames())).features
    torch.testing.assert_close(one, losses.feature.detach() / seen.square().mean().detach(), rtol=1e-5, atol=0)


def test_the_warm_up_is_a_vae_while_the_discriminator_learns():
    model = make(warm_up=1, warm_up_weight=4.0)
    found, losses = gradients(model), Written(model)
    expect(found, losses.gradients(losses.prior + 4 * losses.pixel, "encoder"))
    expect(found, losses.gradients(4 * losses.pixel, "decoder"))
    expect(found, losses.gradients(discriminator_loss(losses, "saturating", True), "discriminator"))
    model.after_step()
    expect(gradients(model), losses.gradients(losses.prior + losses.feature, "encoder"))


def test_the_value_is_the_sum_of_the_losses():
    model = make(pixel_weight=2.0, feature_weight=3.0)
    loss, metrics = model.loss(frames(), noise())
    losses = Written(model)
    parts = [losses.prior, 3 * losses.feature, 2 * losses.pixel]
    parts += [discriminator_loss(losses, "saturating", True), fool_loss(losses, "saturating", True)]
    assert loss.item() == pytest.approx(torch.stack(parts).sum().item(), rel=1e-5)
    assert metrics["loss"].item() == loss.item()
    assert metrics["loss_features"].item() == pytest.approx(3 * losses.feature.item(), rel=1e-5)


def test_r1_is_the_squared_gradient_at_frames_every_so_many_steps():
    plain, heavy = make(), make(r1=2.0, r1_every=3)
    real = to_float(frames()).requires_grad_()
    (gradient,) = torch.autograd.grad(heavy.discriminator(real).logit.sum(), real, create_graph=True)
    penalty = 3 * 2.0 / 2 * gradient.square().sum((1, 2, 3)).mean()
    weights = [p for n, p in heavy.named_parameters() if part(n) == "discriminator"]
    expected = torch.autograd.grad(penalty, weights, allow_unused=True)
    names = [n for n, _ in heavy.named_parameters() if part(n) == "discriminator"]
    without, with_r1 = gradients(plain), gradients(heavy)
    for name, more in zip(names, expected, strict=True):
        wanted = without[name] + (0 if more is None else more)
        torch.testing.assert_close(with_r1[name], wanted, rtol=1e-4, atol=1e-6)
    heavy.after_step()
    expect(gradients(heavy), gradients(plain))


@pytest.mark.parametrize(
    ("real", "fake", "learn"),
    [
        (0.1, 0.2, (False, True)),
        (1.2, 0.7, (True, False)),
        (1.2, 0.1, (True, True)),  # both would rest
        (0.7, 0.7, (True, True)),
    ],
)
def test_the_one_that_is_ahead_rests(real: float, fake: float, learn: tuple[bool, bool]):
    model = make(balance=True)
    said = model._judge(to_float(frames()), *(to_float(frames()).clone() for _ in range(2)))
    losses = {"real": torch.tensor(real), "fake": torch.tensor(2 * fake)}  # of two kinds of fakes
    assert model._who_learns(said._replace(**losses)) == learn
    assert make()._who_learns(said._replace(**losses)) == (True, True)


def test_a_decoder_that_rests_still_teaches_the_encoder(monkeypatch: pytest.MonkeyPatch):
    model = make(balance=True)
    monkeypatch.setattr(model, "_who_learns", lambda said: (True, False))  # noqa: ARG005
    found, losses = gradients(model), Written(model)
    expect(found, losses.gradients(losses.prior + losses.feature, "encoder"))
    assert all(p.grad is None for p in model.decoder.parameters())


@pytest.mark.parametrize("in_gan", [True, False])
def test_as_one_batch_or_as_three_is_the_same_where_none_is_normalised(in_gan: bool):
    expect(
        gradients(make(together=True, reconstruction_in_gan=in_gan)),
        gradients(make(together=False, reconstruction_in_gan=in_gan)),
    )
    judge = replace(JUDGE, normalisation="larsen")
    one, three = (gradients(make(discriminator=judge, together=together)) for together in (True, False))
    assert not torch.allclose(one["discriminator.convolutions.0.weight"], three["discriminator.convolutions.0.weight"])


def test_the_averaged_decoder_follows_and_decodes():
    model = make(ema=0.9)
    assert model.averaged is not None
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.add_(1.0)
    z = torch.randn(2, 4)
    before = model.images(z)
    assert not torch.equal(before, model.decoder(z))
    name = "0.bias"
    start, now = (dict(m.named_parameters())[name].clone() for m in (model.averaged, model.decoder))
    model.after_step()
    average = dict(model.averaged.named_parameters())[name]
    torch.testing.assert_close(average, start + (1 - 2 / 11) * (now - start))
    for _ in range(200):
        model.after_step()
    torch.testing.assert_close(model.images(z), model.decoder(z), rtol=1e-4, atol=1e-5)
    assert not any(p.requires_grad for p in model.averaged.parameters())


@pytest.mark.parametrize("normalisation", ["none", "batch", "spectral"])
def test_discriminators(normalisation):
    config = DiscriminatorConfig(channels=(4, 8, 8, 8), features=8, layer=3, normalisation=normalisation)
    torch.manual_seed(0)
    discriminator = Discriminator(config)
    seen = discriminator(to_float(frames()))
    assert seen.features.shape == (6, 8, 4, 4)
    assert seen.logit.shape == (6, 1)
    if normalisation == "spectral":
        for _ in range(200):
            discriminator(to_float(frames(1)))
        layer = discriminator.eval().verdict[1]
        weight = getattr(layer, "weight").detach()  # noqa: B009 (a parametrised weight, which its type does not know)
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1.0, abs=0.02)


def test_the_feature_layer_is_taken_before_its_normalisation():
    discriminator = Discriminator(DiscriminatorConfig(channels=(4, 8), features=8, layer=1, normalisation="batch"))
    captured = []
    discriminator.convolutions[1].register_forward_hook(lambda _m, _i, out: captured.append(out))
    assert torch.equal(discriminator(to_float(frames())).features, captured[0])


def test_a_verdict_for_each_place():
    config = DiscriminatorConfig(channels=(4, 8), kernel=4, first_stride=2, features=0, layer=1, normalisation="none")
    torch.manual_seed(0)
    discriminator = Discriminator(config)
    images = to_float(frames(1)).repeat(2, 1, 1, 1)
    images[1, :, 48:, 48:] = 0
    whole, changed = discriminator(images).logit.unflatten(1, (16, 16))
    differs = whole != changed
    assert differs[12:, 12:].all()
    assert not differs[:11, :11].any()  # a verdict sees its surroundings only
    model = make(discriminator=config)
    found, losses = gradients(model), Written(model)
    expect(found, losses.gradients(discriminator_loss(losses, "saturating", True), "discriminator"))


def test_features_of_frames():
    model = make().eval()
    assert model.features(frames(2)).shape == (2, 8 * 16 * 16)


def test_a_layer_that_is_not_there():
    with pytest.raises(ValueError, match="layer 3 is not one of its 2"):
        DiscriminatorConfig(channels=(4, 8), layer=3)


def test_learns_to_tell_two_pictures_apart():
    pictures = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    pictures[0, :32] = 200
    pictures[1, 32:] = 200
    judge = DiscriminatorConfig(
        channels=(8, 8, 16), kernel=4, first_stride=2, features=16, layer=1, normalisation="spectral"
    )
    model = make(discriminator=judge, adversarial="hinge", gamma=0.1, warm_up=60, r1=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.5, 0.999))
    for step in range(100):
        loss, _ = model.loss(pictures.repeat(4, 1, 1, 1), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.after_step()
    model.eval()
    decoded = model.decode(model.encode(pictures).mu).float()
    own = (decoded - pictures.float()).abs().mean()
    other = (decoded - pictures.flip(0).float()).abs().mean()
    assert own < 40 < other
