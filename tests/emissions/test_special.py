"""Special functions against values of fifty digits."""

import numpy as np
import pytest
from scipy import special as scipy_special

from seqmodels.emissions.equations import gamma_shape
from seqmodels.emissions.special import log_minus_digamma, stirling_error, times_log_ratio, trigamma

VALUES = [  # z, log Gamma(z + 1) less Stirling's formula, log z - psi(z)
    (1e-6, 5.9888309840731795, 999986.7617034621),
    (0.5, 0.15342640972002736, 1.2703628454614782),
    (3, 0.02767792568499834, 0.17582795356964256),
    (15.5, 0.005375599032926835, 0.032604781334835506),
    (17, 0.004901395948434738, 0.029700015728755712),
    (1e3, 8.333333055555635e-05, 0.000500083333325),
    (1e9, 8.333333333333333e-11, 5.000000000833333e-10),
]


@pytest.mark.parametrize(("z", "error", "difference"), VALUES)
def test_functions_next_to_log_gamma(z, error, difference):
    np.testing.assert_allclose(stirling_error(z), error, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(log_minus_digamma(z), difference, rtol=1e-13)
    np.testing.assert_allclose(gamma_shape(difference), z, rtol=1e-13)


def test_they_go_on_smoothly_where_the_series_begin():
    z = np.nextafter(16.0, [0.0, 20.0])
    for function in (stirling_error, log_minus_digamma):
        np.testing.assert_allclose(*function(z), atol=1e-14)


def test_a_shape_for_every_dispersion():
    dispersions = np.geomspace(1e-12, 1e4, 200)
    np.testing.assert_allclose(log_minus_digamma(gamma_shape(dispersions)), dispersions, rtol=1e-12)


def test_arrays_of_any_shape_are_taken(rng):
    z = rng.uniform(0.1, 40, (2, 3, 4))
    assert stirling_error(z).shape == log_minus_digamma(z).shape == gamma_shape(z).shape == z.shape
    np.testing.assert_allclose(trigamma(z), scipy_special.polygamma(1, z), rtol=1e-13)


def test_logarithms_of_ratios():
    a = 1e15 + np.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(times_log_ratio(2.0, a, 1e15, a - 1e15), [0, 2e-15, 6e-15], rtol=1e-13)
    a, factors = np.array([0.0, 0.0, 1e-9, 5.0]), np.array([0.0, 2.0, 1.0, 1.0])
    np.testing.assert_allclose(times_log_ratio(factors, a, 1.0, a - 1), [0, -np.inf, np.log(1e-9), np.log(5)])
