import numpy as np
import pytest
from scipy import special, stats

from seqmodels import Sequences
from seqmodels.arrays import map_arrays
from seqmodels.emissions import (
    Bernoulli,
    BernoulliParameters,
    Categorical,
    CategoricalParameters,
    Gaussian,
    GaussianParameters,
    Mixture,
    MixtureParameters,
    Poisson,
    PoissonParameters,
)
from seqmodels.predictive import Predictive, reshaped

WEIGHTS = np.array([[0.3, 0.7], [1.0, 0.0]])


@pytest.fixture
def gaussian():
    """Two observations of two columns, each a mixture of two Gaussians."""
    means = np.array([[[0.0, 10.0], [4.0, -3.0]], [[1.0, 2.0], [np.nan, np.nan]]])  # weight 0 may hold anything
    variances = np.array([[[1.0, 4.0], [0.25, 9.0]], [[2.0, 3.0], [1.0, 1.0]]])
    template = Sequences.wrap([np.zeros((1, 2))])
    return Predictive(Gaussian(), WEIGHTS, GaussianParameters(np.nan_to_num(means), variances), template)


@pytest.fixture
def counts():
    template = Sequences.wrap([[3]])
    return Predictive(Poisson(), WEIGHTS, PoissonParameters(np.array([[[2.0], [30.0]]])), template)


@pytest.fixture
def symbols():
    p = np.array([[[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]]])
    return Predictive(Categorical(), WEIGHTS, CategoricalParameters(p), Sequences.wrap([["x", "y", "z"]]))


def test_log_density_of_a_mixture(gaussian, counts, symbols):
    x = np.array([[0.5, 1.0], [2.0, 2.0]])
    means, variances = gaussian.parameters
    parts = stats.norm(means, np.sqrt(variances)).logpdf(x[:, None]).sum(axis=2)
    np.testing.assert_allclose(gaussian.log_density(x), special.logsumexp(parts, axis=1, b=WEIGHTS))
    expected = [np.log(stats.poisson([2, 30]).pmf(12) @ WEIGHTS[0]), stats.poisson(2).logpmf(1)]
    np.testing.assert_allclose(counts.log_density([12, 1]), expected)
    np.testing.assert_allclose(np.exp(symbols.log_density(["y", "x"])), [0.705, 0.5])


def test_log_density_where_likelihoods_underflow_and_where_they_are_zero(counts, symbols):
    far = counts.log_density([5000, 5000])
    assert far[0] == pytest.approx(stats.poisson(30).logpmf(5000) + np.log(0.7))
    np.testing.assert_array_equal(symbols.log_density(["never", None]), [-np.inf, 0])


def test_a_component_of_weight_zero_may_be_far_denser_than_the_others():
    parameters = GaussianParameters(np.array([[[0.0], [1e4]]]), np.array([[[1e-4], [1.0]]]))
    predictive = Predictive(Gaussian(), np.array([[0.0, 1.0]]), parameters, Sequences.wrap([[0.0]]))
    assert predictive.log_density([0.0])[0] == pytest.approx(stats.norm(1e4, 1).logpdf(0))


def test_missing_entries_are_left_out(gaussian):
    with_gap = gaussian.log_density([[0.5, np.nan], [np.nan, np.nan]])
    parts = stats.norm([0, 4], [1, 0.5]).logpdf(0.5)
    np.testing.assert_allclose(with_gap, [special.logsumexp(parts, b=WEIGHTS[0]), 0.0], atol=1e-15)


def test_means_and_modes(gaussian, counts, symbols):
    np.testing.assert_allclose(gaussian.mean(), [[2.8, 0.9], [1.0, 2.0]])
    np.testing.assert_array_equal(gaussian.mode(), [[4.0, -3.0], [1.0, 2.0]])
    np.testing.assert_allclose(counts.mean(), [21.6, 2.0])
    np.testing.assert_array_equal(counts.mode(), [2, 2])  # 0.3 x 0.27 beats 0.7 x 0.07
    assert symbols.mode().tolist() == ["y", "x"]
    with pytest.raises(TypeError, match="symbols have no mean"):
        symbols.mean()


def test_probabilities_of_symbols(symbols, counts):
    np.testing.assert_allclose(symbols.probabilities(), [[0.22, 0.705, 0.075], [0.5, 0.25, 0.25]])
    with pytest.raises(TypeError, match="Poisson observations are not symbols; use log_density or interval"):
        counts.probabilities()


def test_the_unknown_symbol_comes_last_where_it_has_mass(symbols):
    p = np.array([[[0.5, 0.2, 0.2, 0.1]]])
    predictive = Predictive(Categorical(), np.ones((2, 1)), CategoricalParameters(p), symbols._template)
    np.testing.assert_allclose(predictive.probabilities(), np.repeat(p[0], 2, axis=0))
    np.testing.assert_allclose(np.exp(predictive.log_density(["never", "x"])), [0.1, 0.5])


@pytest.mark.parametrize("level", [0.5, 0.9, 0.999])
def test_intervals_hold_their_mass(gaussian, level):
    lower, upper = gaussian.interval(level)
    means, variances = gaussian.parameters

    def below(x):
        return (WEIGHTS[..., None] * stats.norm(means, np.sqrt(variances)).cdf(x[:, None])).sum(axis=1)

    np.testing.assert_allclose(below(lower), (1 - level) / 2, rtol=1e-9)
    np.testing.assert_allclose(below(upper), (1 + level) / 2, rtol=1e-9)


def test_intervals_of_counts_are_quantiles(counts):
    lower, upper = counts.interval(0.9)
    assert (lower[1], upper[1]) == stats.poisson(2).interval(0.9)
    grid = np.arange(100)
    mixture = 0.3 * stats.poisson(2).cdf(grid) + 0.7 * stats.poisson(30).cdf(grid)
    assert (lower[0], upper[0]) == (np.argmax(mixture >= 0.05), np.argmax(mixture >= 0.95))


def test_intervals_far_from_zero_and_of_tiny_scale():
    parameters = GaussianParameters(np.array([[[1e6]]]), np.array([[[1e-6]]]))
    predictive = Predictive(Gaussian(), np.ones((1, 1)), parameters, Sequences.wrap([[1.0]]))
    lower, upper = predictive.interval(0.5)
    np.testing.assert_allclose([lower[0] - 1e6, upper[0] - 1e6], [-0.6745e-3, 0.6745e-3], rtol=1e-3)


def test_intervals_of_every_family_that_has_them():
    bernoulli = BernoulliParameters(np.array([[[0.02, 0.5, 0.98]]]))
    template = Sequences.wrap([np.zeros((1, 3))])
    lower, upper = Predictive(Bernoulli(), np.ones((1, 1)), bernoulli, template).interval(0.9)
    np.testing.assert_array_equal([lower[0], upper[0]], [[0, 0, 1], [0, 1, 1]])
    components = PoissonParameters(np.array([[[[1.0], [50.0]]]]))
    mixture = MixtureParameters(np.array([[[0.5, 0.5]]]), components)
    lower, upper = Predictive(Mixture(Poisson()), np.ones((1, 1)), mixture, Sequences.wrap([[1]])).interval(0.8)
    grid = np.arange(100)
    cdf = 0.5 * stats.poisson(1).cdf(grid) + 0.5 * stats.poisson(50).cdf(grid)
    assert (lower[0], upper[0]) == (np.argmax(cdf >= 0.1), np.argmax(cdf >= 0.9))


@pytest.mark.parametrize("level", [0, 1, -0.1, 90])
def test_level_is_checked(counts, level):
    with pytest.raises(ValueError, match=rf"level is {level}; numbers between 0 and 1 are accepted"):
        counts.interval(level)


def test_symbols_have_no_intervals(symbols):
    with pytest.raises(TypeError, match="symbols have no order"):
        symbols.interval()


def test_samples_follow_the_mixture(rng):
    n = 20_000
    parameters = GaussianParameters(np.array([[[0.0], [4.0]]]), np.array([[[1.0], [0.25]]]))
    predictive = Predictive(Gaussian(), np.tile([0.3, 0.7], (n, 1)), parameters, Sequences.wrap([[0.0]]))
    sample = predictive.sample(random_state=1)
    assert sample.shape == (n,)

    def cdf(x):
        return 0.3 * stats.norm(0, 1).cdf(x) + 0.7 * stats.norm(4, 0.5).cdf(x)

    assert stats.kstest(sample, cdf).pvalue > 1e-3
    np.testing.assert_array_equal(sample, predictive.sample(random_state=1))


def test_samples_use_the_parameters_of_their_own_row(gaussian, symbols):
    rows = np.arange(2000) % 2
    many = Predictive(
        Gaussian(),
        WEIGHTS[rows],
        map_arrays(lambda array: array[rows], gaussian.parameters),
        gaussian._template,
    )
    sample = many.sample(random_state=0)
    np.testing.assert_allclose(sample[rows == 1].mean(axis=0), [1, 2], atol=0.25)
    np.testing.assert_allclose(sample[rows == 0].mean(axis=0), [2.8, 0.9], atol=1.0)
    assert set(symbols.sample(random_state=0)) <= {"x", "y", "z"}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1], "x holds 1 observations; one for each of the 2 is accepted"),
        ([[1, 2], [3, 4]], "x has 2 columns; 1, as in the data, are accepted"),
        ([1, 2.5], r"x\[1\], position 0 is 2.5; counts"),
        ([1, np.inf], r"x\[1\], position 0 is inf"),
        (["a", "b"], "x holds symbols such as 'a'; numbers are accepted here"),
    ],
)
def test_observations_are_checked(counts, x, message):
    with pytest.raises((ValueError, TypeError), match=message):
        counts.log_density(x)


def test_outside_forms(symbols):
    texts = Predictive(Categorical(), symbols.weights, symbols.parameters, Sequences.wrap(["xyz"]))
    assert texts.mode().tolist() == ["y", "x"]
    np.testing.assert_allclose(texts.log_density("yx"), symbols.log_density(["y", "x"]))
    assert len(texts) == 2
    assert repr(texts) == "<Predictive: 2 x 2 Categorical>"


# -------------------------------------------------------------------- temperature, top_k, top_p

P = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])


def test_temperature():
    np.testing.assert_allclose(reshaped(P), P)
    np.testing.assert_allclose(reshaped(P, 0.5), P**2 / (P**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(reshaped(P, 1e-4), [[1, 0, 0, 0], [0, 0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(reshaped(P, 1e6), 0.25, atol=1e-5)
    with_zero = np.array([[0.0, 0.5, 0.5]])
    np.testing.assert_allclose(reshaped(with_zero, 5.0), with_zero)


def test_top_k():
    np.testing.assert_allclose(reshaped(P, top_k=2), [[5 / 8, 3 / 8, 0, 0], [0, 0, 3 / 7, 4 / 7]])
    np.testing.assert_allclose(reshaped(P, top_k=1), [[1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(reshaped(P, top_k=9), P)


def test_top_p():
    np.testing.assert_allclose(reshaped(P, top_p=0.5), [[1, 0, 0, 0], [0, 0, 3 / 7, 4 / 7]])
    np.testing.assert_allclose(reshaped(P, top_p=0.6), [[5 / 8, 3 / 8, 0, 0], [0, 0, 3 / 7, 4 / 7]])
    np.testing.assert_allclose(reshaped(P, top_p=1e-9), [[1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(reshaped(P, top_p=1.0), P)


@pytest.mark.parametrize("argument", [{"temperature": 0}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}])
def test_reshaping_arguments_are_checked(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"{name} is .* accepted"):
        reshaped(P, **argument)


def test_reshaped_samples(symbols, counts, rng):
    many = Predictive(Categorical(), np.tile([1.0, 0.0], (500, 1)), symbols.parameters, symbols._template)
    assert set(many.sample_values(rng, top_k=1)[:, 0]) == {0}
    with pytest.raises(TypeError, match="not symbols"):
        counts.sample_values(rng, temperature=0.5)
