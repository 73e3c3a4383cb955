"""The densities against SciPy and against their own samples."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from reverie.models.distributions import DiagonalGaussian, Mixture


@pytest.fixture
def mixture() -> Mixture:
    draw = torch.Generator().manual_seed(3)
    logits, mu, logsigma = (torch.randn(4, 5, 2, generator=draw, dtype=torch.float64) for _ in range(3))
    return Mixture.from_logits(2 * logits, 3 * mu, 0.5 * logsigma)


def test_mixture_log_prob_matches_scipy(mixture: Mixture) -> None:
    z = torch.linspace(-4, 4, 8, dtype=torch.float64).reshape(4, 2)
    parts = stats.norm.logpdf(z.numpy()[..., None, :], mixture.mu.numpy(), mixture.logsigma.exp().numpy())
    expected = np.asarray(special.logsumexp(parts + mixture.logpi.numpy(), axis=-2)).sum(-1)
    np.testing.assert_allclose(mixture.log_prob(z).numpy(), expected, rtol=1e-12)


def test_a_shared_mixture_is_one_of_diagonal_normals(mixture: Mixture) -> None:
    shared = Mixture(mixture.logpi[..., :1], mixture.mu, mixture.logsigma)
    z = torch.linspace(-4, 4, 8, dtype=torch.float64).reshape(4, 2)
    for row in range(4):
        density = sum(
            weight.exp() * stats.norm.pdf(z[row].numpy(), mu.numpy(), logsigma.exp().numpy()).prod()
            for weight, mu, logsigma in zip(shared.logpi[row, :, 0], shared.mu[row], shared.logsigma[row], strict=True)
        )
        assert shared.log_prob(z)[row].exp().item() == pytest.approx(float(density), rel=1e-9)


def test_dimensions_of_a_shared_mixture_are_drawn_together() -> None:
    mu = torch.tensor([[-5.0, -5.0], [5.0, 5.0]]).expand(2_000, 2, 2)
    low = torch.full((2_000, 2, 2), -3.0)
    together = Mixture.from_logits(torch.zeros(2_000, 2, 1), mu, low).sample(1.0, torch.Generator().manual_seed(0))
    apart = Mixture.from_logits(torch.zeros(2_000, 2, 2), mu, low).sample(1.0, torch.Generator().manual_seed(0))
    assert (together[:, 0] * together[:, 1] > 0).all()
    assert (apart[:, 0] * apart[:, 1] > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_mixture_density_integrates_to_one(mixture: Mixture) -> None:
    z = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    one = Mixture(*(part[0, :, :1].expand(len(z), -1, -1) for part in mixture))
    density = one.log_prob(z.unsqueeze(-1)).exp().numpy()
    assert integrate.trapezoid(density, z.numpy()) == pytest.approx(1, abs=1e-6)


def test_mixture_log_prob_stays_finite_far_away() -> None:
    mixture = Mixture.from_logits(torch.zeros(3, 1), torch.zeros(3, 1), torch.full((3, 1), -6.0))
    z = torch.tensor([30.0], requires_grad=True)
    log_prob = mixture.log_prob(z)
    log_prob.backward()
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(z.grad).all()  # pyright: ignore[reportArgumentType]


def test_mixture_samples_follow_the_density(mixture: Mixture) -> None:
    one = Mixture(*(part[:1, :, :1].expand(20_000, 5, 1) for part in mixture))
    samples = one.sample(generator=torch.Generator().manual_seed(0))[:, 0].numpy()
    weights, mu, sigma = (
        mixture.logpi[0, :, 0].exp().numpy(),
        mixture.mu[0, :, 0].numpy(),
        mixture.logsigma[0, :, 0].exp().numpy(),
    )

    def cdf(x: np.ndarray) -> np.ndarray:
        return (weights * stats.norm.cdf(np.asarray(x)[..., None], mu, sigma)).sum(-1)

    # Of so many samples, chance makes more than 0.02 once in four million times.
    assert stats.kstest(samples, cdf).statistic < 0.02
    assert stats.kstest(samples + 0.1 * samples.std(), cdf).statistic > 0.02


def test_temperature_scales_the_deviation_by_its_root() -> None:
    single = Mixture(*(torch.full((40_000, 1, 1), value) for value in (0.0, 2.0, math.log(0.5))))
    for temperature in (0.25, 1.0, 1.3):
        samples = single.sample(temperature, torch.Generator().manual_seed(1))
        assert samples.mean().item() == pytest.approx(2, abs=0.02)
        assert samples.std().item() == pytest.approx(0.5 * math.sqrt(temperature), rel=0.02)


def test_low_temperature_prefers_the_heaviest_component() -> None:
    logits = torch.log(torch.tensor([[0.6], [0.4]])).expand(5_000, 2, 1)
    mu = torch.tensor([[-5.0], [5.0]]).expand(5_000, 2, 1)
    mixture = Mixture.from_logits(logits, mu, torch.full((5_000, 2, 1), -3.0))
    share = {
        temperature: (mixture.sample(temperature, torch.Generator().manual_seed(2)) < 0).float().mean().item()
        for temperature in (1.0, 0.5, 0.0)
    }
    assert share[1.0] == pytest.approx(0.6, abs=0.03)
    assert share[0.5] == pytest.approx(0.36 / 0.52, abs=0.03)  # 0.6^2 / (0.6^2 + 0.4^2)
    assert share[0.0] == 1
    torch.testing.assert_close(mixture.sample(0.0), torch.full((5_000, 1), -5.0))


def test_negative_temperature_is_refused(mixture: Mixture) -> None:
    with pytest.raises(ValueError, match="temperature must be >= 0, not -1"):
        mixture.sample(-1)


def test_mixture_mean(mixture: Mixture) -> None:
    expected = (np.exp(mixture.logpi.numpy()) * mixture.mu.numpy()).sum(-2)
    np.testing.assert_allclose(mixture.mean().numpy(), expected)


def test_gaussian_kl_matches_a_numerical_integral() -> None:
    gaussian = DiagonalGaussian(torch.tensor([[0.7, -1.2]]), torch.tensor([[0.3, -0.8]]))
    expected = 0.0
    for mu, logvar in zip(*(part[0].tolist() for part in gaussian), strict=True):
        sigma = math.exp(logvar / 2)

        def integrand(x: float, mu: float = mu, sigma: float = sigma) -> float:
            q = stats.norm.logpdf(x, mu, sigma)
            return float(np.exp(q) * (q - stats.norm.logpdf(x)))

        expected += integrate.quad(integrand, -20, 20)[0]
    assert gaussian.kl_to_standard_normal().item() == pytest.approx(expected, rel=1e-5)


def test_gaussian_samples_have_its_moments() -> None:
    gaussian = DiagonalGaussian(torch.full((50_000, 1), 1.5), torch.full((50_000, 1), math.log(0.04)))
    samples = gaussian.sample(torch.Generator().manual_seed(5))
    assert samples.mean().item() == pytest.approx(1.5, abs=0.01)
    assert samples.std().item() == pytest.approx(0.2, abs=0.005)
