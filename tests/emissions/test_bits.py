"""Kernels of zeros and ones: against scipy, and mixtures of them against the generic way."""

import numpy as np
import pytest
from scipy import special

from seqmodels.emissions import Bernoulli, Mixture
from seqmodels.emissions.bernoulli import BernoulliParameters
from seqmodels.emissions.bits import bits_kernel, mixed_bits
from seqmodels.emissions.mixture import MixtureParameters
from seqmodels.jit import kernel

mixed_kernel = kernel(mixed_bits)
WIDTHS = [1, 7, 8, 9, 24, 88, 600]
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def data(D, n=6, seed=0):
    """Bits of which some are missing, and a row of which all are."""
    generator = np.random.default_rng(seed)
    values = (generator.random((n, D)) < 0.3) * 1.0
    values[1:3, D // 2] = values[4] = np.nan
    return values


def term(values, logits):
    """Log probabilities and their gradients in the logits (..., D)."""
    signs = np.nan_to_num(2 * values - 1)
    terms = np.where(signs != 0, special.log_expit(signs * logits), 0.0)
    return terms.sum(axis=-1), signs * special.expit(-signs * logits)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("D", WIDTHS)
def test_bits_under_logits_equal_scipy(D, dtype, rng):
    values, family, marginal = data(D), Bernoulli(), BernoulliParameters(rng.uniform(0.01, 0.99, D))
    raw = rng.normal(scale=4, size=(6, D)).astype(dtype)
    raw[0, 0] = 60.0  # sure, and right or wrong
    out = np.full_like(raw, np.nan)
    found = family.value_and_gradient(values, raw, marginal, out)
    expected, gradient = term(values, raw.astype(float) + special.logit(marginal.probabilities))
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    np.testing.assert_allclose(out, gradient, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert found[4] == 0 and not out[4].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("D", WIDTHS)
def test_mixed_bits_equal_the_generic_way(D, dtype, rng):
    """Rows of `values` are picked, `raw` has columns more, and one component is never drawn."""
    values, C = data(D), 3
    marginal = MixtureParameters(np.array([0.75, 0.0, 0.25]), BernoulliParameters(rng.uniform(0.01, 0.99, (C, D))))
    family, rows = Mixture(Bernoulli(), C), np.array([9, 3, 4, 0, 1, 9])
    R = C + C * D
    compiled = family.compiled(marginal, np.dtype(dtype))
    raw, expected = rng.normal(scale=2, size=(4, R)), np.empty((4, R))
    logits = np.full((4, R + compiled.room + 2), 5.0, dtype)
    logits[:, :R] = raw + compiled.offset
    terms = np.empty(4)
    mixed_kernel(values, rows, 1, 4, logits, compiled.constants, terms)
    expected_terms = family.value_and_gradient(values[rows[1:5]], raw, marginal, expected)
    np.testing.assert_allclose(terms, expected_terms, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    np.testing.assert_allclose(logits[:, :R], expected, rtol=0, atol=3 * TOLERANCE[dtype])
    assert not logits[:, R:].any()
    assert terms[1] == 0 and not logits[1].any()


def test_integers_are_bits_too(rng):
    values, logits, terms = rng.integers(2, size=(3, 5)), rng.normal(size=(3, 8)), np.empty(3)
    logits[:, 5:] = 1e4
    expected, gradient = term(values, logits[:, :5].copy())
    bits_kernel(values, np.arange(3), 0, 3, logits, (5,), terms)
    np.testing.assert_allclose(terms, expected, rtol=1e-13)
    np.testing.assert_allclose(logits[:, :5], gradient, rtol=1e-12)
    assert not logits[:, 5:].any()


def test_what_no_component_can_have_made_has_no_gradient():
    values, terms = np.array([[1.0, 0.0]]), np.empty(1)
    logits = np.array([[0.0, 0.0, -np.inf, 0.0, -np.inf, 1.0, 7.0, 7.0]])
    mixed_kernel(values, np.arange(1), 0, 1, logits, (2, 2), terms)
    assert terms[0] == -np.inf
    assert not logits.any()
