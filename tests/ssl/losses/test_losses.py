"""Each loss against an independent formula in NumPy, its gradient in float64, and its precision under autocast."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import erfinv, softmax
from torch import Tensor

from oceanpath.ssl.losses import byol, dino, latent_regression, nt_xent, projections, sigreg, vicreg, visreg

B, D, K = 7, 5, 9
random = np.random.default_rng(0)
A, C = random.normal(0.3, 1.7, (B, D)), random.normal(-0.2, 0.6, (B, D))
DIRECTIONS = projections.random_directions(D, K, 3).double()
a, c = torch.from_numpy(A), torch.from_numpy(C)


def test_vicreg_equals_its_equations() -> None:
    assert float(vicreg.invariance(a, c)) == pytest.approx(((A - C) ** 2).sum(1).mean() / D, abs=1e-6)
    hinge = np.maximum(0, 1 - np.sqrt(C.var(0, ddof=1) + 1e-4))
    assert float(vicreg.variance(c)) == pytest.approx(hinge.mean(), abs=1e-6)
    matrix = np.cov(A.T)
    expected = sum(matrix[i, j] ** 2 for i in range(D) for j in range(D) if i != j) / D
    assert float(vicreg.covariance(a)) == pytest.approx(expected, abs=1e-6)


def nt_xent_by_loops(x: np.ndarray, y: np.ndarray, temperature: float, groups: list[int]) -> float:
    z = np.concatenate([x, y])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    bags, losses = list(range(len(x))) * 2, []
    for i in range(len(z)):
        j = (i + len(x)) % len(z)
        negatives = [k for k in range(len(z)) if k not in (i, j) and groups[bags[k]] != groups[bags[i]]]
        terms = [np.exp(z[i] @ z[k] / temperature) for k in [j, *negatives]]
        losses.append(-np.log(terms[0] / sum(terms)))
    return float(np.mean(losses))


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 2, 2, 2, 3]])
def test_nt_xent_has_no_negatives_of_the_same_patient(groups: list[int] | None) -> None:
    expected = nt_xent_by_loops(A, C, 0.2, groups or list(range(B)))
    got = nt_xent.nt_xent(a, c, 0.2, None if groups is None else torch.tensor(groups))
    assert float(got) == pytest.approx(expected, abs=1e-6)


def test_nt_xent_of_one_patient_is_zero() -> None:
    assert float(nt_xent.nt_xent(a, c, 0.2, torch.zeros(B, dtype=torch.int64))) == pytest.approx(0, abs=1e-6)


def test_byol_is_the_squared_distance_of_unit_vectors() -> None:
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (A, C)]
    expected = ((unit[0] - unit[1]) ** 2).sum(1).mean()
    assert float(byol.normalised_distance(a, c)) == pytest.approx(expected, abs=1e-6)


def test_dino_crosses_all_views_but_the_same() -> None:
    student, teacher, centre = random.normal(size=(4, B, D)), random.normal(size=(2, B, D)), random.normal(size=D)
    terms = []
    for g in range(2):
        target = softmax((teacher[g] - centre) / 0.04, axis=1)
        for v in range(4):
            if v != g:
                terms.append(-(target * np.log(softmax(student[v] / 0.1, axis=1))).sum(1).mean())
    assert len(terms) == 6
    s, t, c = (torch.from_numpy(x) for x in (student, teacher, centre))
    assert float(dino.cross_view_entropy(s, t, c, 0.1, 0.04)) == pytest.approx(np.mean(terms), abs=1e-6)
    moved = dino.moved_centre(c, t.mean(dim=(0, 1)), 0.9)
    np.testing.assert_allclose(moved.numpy(), 0.9 * centre + 0.1 * teacher.mean((0, 1)), atol=1e-12)


def test_latent_regression_is_smooth_l1_to_normalised_targets() -> None:
    target = (C - C.mean(1, keepdims=True)) / np.sqrt(C.var(1, keepdims=True) + 1e-5)
    gap = np.abs(A - target)
    expected = np.where(gap < 2, gap**2 / 4, gap - 1).mean()
    assert float(latent_regression.latent_regression(a, c, 2.0)) == pytest.approx(expected, abs=1e-6)


def test_sigreg_is_the_epps_pulley_statistic() -> None:
    t = np.linspace(0, 3, 17)
    statistics = []
    for direction in DIRECTIONS.numpy().T:
        phi = np.exp(1j * t[:, None] * (A @ direction)).mean(1)
        integrand = np.abs(phi - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2)
        statistics.append(2 * B * ((integrand[1:] + integrand[:-1]) / 2 * np.diff(t)).sum())
    assert float(sigreg.sigreg(a, DIRECTIONS)) == pytest.approx(np.mean(statistics), abs=1e-6)


def test_sigreg_is_small_for_normal_embeddings_and_large_for_constant_ones() -> None:
    directions = projections.random_directions(8, 64, 0)
    normal = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
    assert float(sigreg.sigreg(normal, directions)) < 3
    assert float(sigreg.sigreg(torch.zeros(2000, 8), directions)) > 500


def test_visreg_is_centre_scale_and_shape() -> None:
    mean, deviation = A.mean(0), A.std(0, ddof=1)
    quantiles = np.sqrt(2) * erfinv(2 * np.arange(1, B + 1) / (B + 1) - 1)
    projected = np.sort(((A - mean) / deviation) @ DIRECTIONS.numpy(), axis=0)
    expected = (mean**2).mean() + ((deviation - 1) ** 2).mean() + ((projected - quantiles[:, None]) ** 2).mean()
    assert float(visreg.visreg(a, DIRECTIONS)) == pytest.approx(expected, abs=1e-5)


def test_the_centroid_is_that_of_the_first_views() -> None:
    views = random.normal(size=(4, B, D))
    expected = np.mean((views - views[:2].mean(0)) ** 2)
    got = projections.distance_to_centroid(torch.from_numpy(views), 2)
    assert float(got) == pytest.approx(expected, abs=1e-6)


def test_directions_are_unit_vectors_that_depend_on_the_seed_alone() -> None:
    first, again, other = (projections.random_directions(16, 8, seed) for seed in (1, 1, 2))
    torch.testing.assert_close(first.norm(dim=0), torch.ones(8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "invariance": vicreg.invariance,
    "variance": lambda x, _: vicreg.variance(0.3 * x),
    "covariance": lambda x, _: vicreg.covariance(x),
    "nt_xent": lambda x, y: nt_xent.nt_xent(x, y, 0.5, torch.tensor([0, 0, 1, 2, 2, 2, 3])),
    "byol": lambda x, _: byol.normalised_distance(x, c),
    "dino": lambda x, y: dino.cross_view_entropy(
        torch.stack([x, y]), torch.stack([a, c]).bfloat16().to(x.dtype), torch.zeros(D, dtype=x.dtype), 0.1, 0.04
    ),
    "latent_regression": lambda x, y: latent_regression.latent_regression(x, y),
    "sigreg": lambda x, _: sigreg.sigreg(x, DIRECTIONS),
    "visreg": lambda x, _: visreg.visreg(x, DIRECTIONS),
    "centroid": lambda x, y: projections.distance_to_centroid(torch.stack([x, y, c]), 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    inputs = (a.clone().requires_grad_(), (0.9 * c + 0.1).requires_grad_())
    assert torch.autograd.gradcheck(LOSSES[name], inputs)


def test_the_shape_term_of_visreg_changes_no_scale() -> None:
    """The gradient along z itself is that of centre and scale alone: a term of z / σ does not change with σ."""
    x = a.clone().requires_grad_()
    visreg.visreg(x, DIRECTIONS).backward()
    y = a.clone().requires_grad_()
    (y.mean(0).square().mean() + (y.std(dim=0) - 1).square().mean()).backward()
    assert x.grad is not None
    assert y.grad is not None
    assert float((x.grad * a).sum()) == pytest.approx(float((y.grad * a).sum()), abs=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_under_autocast_a_loss_has_the_value_of_float32(name: str) -> None:
    x, y = (100 * a).bfloat16(), (100 * c).bfloat16()
    expected = LOSSES[name](x.float(), y.float())
    with torch.autocast("cpu", torch.bfloat16):
        got = LOSSES[name](x, y)
    assert got.dtype != torch.bfloat16
    torch.testing.assert_close(got.double(), expected.double(), rtol=1e-5, atol=1e-5)


def test_no_gradient_flows_into_targets_of_a_teacher() -> None:
    target = c.clone().requires_grad_()
    prediction = a.clone().requires_grad_()
    byol.normalised_distance(prediction, target).backward()
    assert target.grad is None
    teacher = torch.stack([a, c]).requires_grad_()
    student = torch.stack([a, c, a]).requires_grad_()
    dino.cross_view_entropy(student, teacher, torch.zeros(D), 0.1, 0.04).backward()
    assert teacher.grad is None
    assert student.grad is not None
