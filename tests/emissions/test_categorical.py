import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import Categorical, CategoricalParameters

PARAMETERS = CategoricalParameters(np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]))


def test_without_a_prior_unseen_and_impossible_symbols_have_density_zero():
    values = np.array([[0], [2], [3], [-1]])  # known, impossible in the first state, unknown, missing
    with np.errstate(divide="ignore"):
        expected = np.log([[0.5, 0.2], [0, 0.5], [0, 0], [1, 1]])
    np.testing.assert_array_equal(Categorical().log_density(values[:, None], PARAMETERS), expected)
    np.testing.assert_array_equal(Categorical().log_table(values, PARAMETERS), expected)


def test_with_a_prior_the_unknown_symbol_has_its_mass():
    sequences = Sequences.wrap(["aab"])
    emission = Categorical(2.0)
    rough = emission.rough(sequences)
    assert rough.probabilities.shape == (1, 3)
    best = emission.initial_parameters(sequences.values, np.ones((3, 1)), rough, None)
    np.testing.assert_allclose(best.probabilities, [[4 / 9, 3 / 9, 2 / 9]])
    refused = Categorical(2.0, unknown="error")
    assert refused.rough(sequences).probabilities.shape == (1, 2)


def test_unknown_symbols_in_training_data_do_not_count_without_a_column_of_their_own():
    values = np.array([[0], [1], [3], [3], [-1]])
    statistics = Categorical().sufficient_statistics(values, np.ones((5, 2)), PARAMETERS)
    np.testing.assert_array_equal(statistics.counts, [[1, 1, 0], [1, 1, 0]])
    with_column = CategoricalParameters(np.full((2, 4), 0.25))
    statistics = Categorical(0.5).sufficient_statistics(values, np.ones((5, 2)), with_column)
    np.testing.assert_array_equal(statistics.counts, [[1, 1, 0, 2], [1, 1, 0, 2]])


def test_prior_is_that_of_dirichlet():
    emission = Categorical(0.7)
    assert emission.log_prior(CategoricalParameters(np.array([0.2, 0.8]))) == pytest.approx(0.7 * np.log(0.16))
    assert Categorical().log_prior(PARAMETERS) == 0


def test_an_output_outside_of_the_alphabet_has_density_zero_and_no_gradient():
    marginal = CategoricalParameters(np.array([0.5, 0.3, 0.2]))
    raw, out = np.ones((2, 3)), np.full((2, 3), np.nan)
    value = Categorical(unknown="error").value_and_gradient(np.array([[3], [1]]), raw, marginal, out)
    np.testing.assert_allclose(value, [-np.inf, np.log(0.3)])
    np.testing.assert_allclose(out, [[0, 0, 0], [-0.5, 0.7, -0.2]])


def test_marginal_smooths_only_where_nothing_else_does():
    assert Categorical().smoothed().pseudo_count == 0.5
    assert Categorical(0.1).smoothed().pseudo_count == 0.1
    assert Categorical(unknown="error").smoothed().unknown == "error"
    model = Independent(Categorical(unknown="error")).fit(["aab"])
    np.testing.assert_allclose(model.emission_.probabilities, [2.5 / 4, 1.5 / 4])


def test_large_alphabets_are_not_broadcast(rng):
    """The density of M symbols under one member looks M numbers up; it does not build M tables."""
    V, M = 20_000, 50_000
    probabilities = rng.dirichlet(np.ones(V))
    codes = rng.integers(0, V, (M, 1))
    density = Categorical().log_density(codes, CategoricalParameters(probabilities))
    np.testing.assert_allclose(density, np.log(probabilities[codes[:, 0]]))
