"""The kernels of the semi-Markov chain against enumeration of all paths."""

import functools
from itertools import pairwise

import numpy as np
import pytest
from reference import log_segmentation_probability, semi_markov_by_enumeration
from scipy import stats

from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Mixture, Poisson
from seqmodels.hmm import segments
from seqmodels.hmm.durations import checked_family, durations_of
from seqmodels.hmm.durations import maximize as maximize_durations
from seqmodels.hmm.tables import FewRows

from .test_inference import random_table


def with_tail(mass, at_least, D):
    """Durations as they are below D; from there on the end comes with probability 1 / D at each step."""

    def own_mass(k, d):
        return mass(k, d) if d < D else at_least(k, D) / D * (1 - 1 / D) ** (d - D)

    def survivor(k, d):
        return at_least(k, d) if d < D else at_least(k, D) * (1 - 1 / D) ** (d - D)

    return own_mass, survivor


def poisson_durations(rates, D):
    """As parameters, and as functions that enumeration can call."""
    rates = np.asarray(rates, dtype=float)
    mass = functools.cache(lambda k, d: float(stats.poisson.pmf(d - 1, rates[k])))
    at_least = functools.cache(lambda k, d: float(stats.poisson.sf(d - 2, rates[k])))
    return durations_of(Poisson(), Poisson.Parameters(rates[:, None]), D), *with_tail(mass, at_least, D)


def categorical_durations(probabilities):
    probabilities = np.asarray(probabilities)
    n, family = probabilities.shape[1], checked_family(Categorical())
    tables = durations_of(family, Categorical.Parameters(probabilities), n)

    def mass(k, d):
        return probabilities[k, d - 1] if d <= n else 0.0

    return tables, mass, lambda k, d: probabilities[k, d - 1 :].sum()


def random_jumps(generator, K, zeros=False):
    """Initial distribution, and transitions between different states."""
    chain = generator.dirichlet(np.ones(K), K + 1)
    if zeros:
        chain[0, -1] = 0.0
        chain[1, -1] = 0.0 if K > 2 else chain[1, -1]
    initial, transition = chain[0], chain[1:]
    np.fill_diagonal(transition, 0.0)
    return initial / initial.sum(), transition / transition.sum(axis=1, keepdims=True)


def everything(initial, transition, tables, log_table, rows, offsets=None, weights=None):
    rows = np.asarray(rows)
    offsets = np.array([0, len(rows)]) if offsets is None else offsets
    weights = np.ones(len(offsets) - 1) if weights is None else weights
    chain, source = segments.chain_of(initial, transition, tables), FewRows(log_table, rows)
    expected, posterior = segments.expectations(chain, source, offsets, weights)
    terms, filters, elapsed = segments.filtered(chain, source, offsets, with_ages=True)
    assert segments.filtered(chain, source, offsets)[2].shape[0] == 0
    return expected, posterior, terms, filters, np.exp(elapsed), segments.best_paths(chain, source, offsets)


def assert_equal_to(truth, found, rows, D):
    """All that the kernels say about one sequence is the truth, a `SegmentedChain`."""
    expected, posterior, terms, filters, elapsed, (_, log_probability) = found
    close = functools.partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-12 + 1e-15 * abs(truth.log_likelihood))
    close(expected.log_likelihood[0], truth.log_likelihood)
    close(terms, truth.terms)
    close(filters, truth.filters)
    close(posterior, truth.posteriors)
    close(log_probability[0], truth.best)
    close(expected.starts, truth.posteriors[0])
    close(expected.pairs, truth.pairs)
    close(elapsed[0].sum(axis=1), truth.filters[-1])
    T = len(rows)
    for d in range(1, max(T, D) + 1):
        own = truth.completed[:, d - 1] if d <= min(T, D - 1) else 0.0
        close(expected.completed[:, d - 1] if d <= expected.completed.shape[1] else 0.0, own)
        if d < D:
            close(expected.censored[:, d - 1], truth.censored[:, d - 1] if d <= T else 0.0)
            close(elapsed[0, :, d - 1], truth.censored[:, d - 1] if d <= T else 0.0)
    beyond = (truth.censored + truth.completed)[:, D - 1 :].sum(axis=1)
    close(expected.censored[:, D - 1], beyond)
    close(elapsed[0, :, D - 1], truth.censored[:, D - 1 :].sum(axis=1))
    visits = np.zeros_like(expected.visits)
    np.add.at(visits, rows, truth.posteriors)
    close(expected.visits, visits)


SHAPES = [(2, 1), (2, 2), (2, 8), (3, 5), (4, 3)]


@pytest.mark.parametrize(("K", "T"), SHAPES)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("D", [1, 2, 3, 8, 9, 20])
def test_counts_equal_enumeration(rng, K, T, zeros, D):
    """Whether durations are told apart up to the length of the sequence or less."""
    initial, transition = random_jumps(rng, K, zeros)
    tables, mass, survivor = poisson_durations(rng.uniform(0.1, 4, K), D)
    log_table = random_table(rng, 3, K, missing=True, impossible=zeros and D > 1)
    rows = rng.integers(3, size=T)
    found = everything(initial, transition, tables, log_table, rows)
    truth = semi_markov_by_enumeration(initial, transition, mass, survivor, log_table[rows])
    assert_equal_to(truth, found, rows, D)


@pytest.mark.parametrize(("K", "T"), SHAPES)
@pytest.mark.parametrize("n", [1, 3, 7, 8, 12])
def test_symbols_as_durations_equal_enumeration(rng, K, T, n):
    """Each with a probability of its own, some of them zero; none is longer."""
    initial, transition = random_jumps(rng, K)
    probabilities = rng.dirichlet(np.ones(n), K)
    if n > 2:
        probabilities[:, 1] = 0.0
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    tables, mass, survivor = categorical_durations(probabilities)
    log_table, rows = random_table(rng, 3, K, missing=True), rng.integers(3, size=T)
    found = everything(initial, transition, tables, log_table, rows)
    truth = semi_markov_by_enumeration(initial, transition, mass, survivor, log_table[rows])
    assert_equal_to(truth, found, rows, n + 1)


@pytest.mark.parametrize("D", [2, 5, 30])
def test_best_paths_are_as_probable_as_they_are_said_to_be(rng, D):
    """And as the best one; also the way in which the probability of a given path is found."""
    for zeros in (False, True):
        initial, transition = random_jumps(rng, 3, zeros)
        tables, mass, survivor = poisson_durations([0.5, 2.0, 4.0], D)
        log_table = random_table(rng, 4, 3, missing=True, impossible=zeros)
        lengths = np.array([7, 1, 3])
        offsets, rows = np.append(0, np.cumsum(lengths)), rng.integers(4, size=11)
        chain, source = segments.chain_of(initial, transition, tables), FewRows(log_table, rows)
        states, log_probability = segments.best_paths(chain, source, offsets)
        again = segments.log_probabilities_of(states, chain, source, offsets)
        any_states = rng.integers(3, size=11)
        of_any = segments.log_probabilities_of(any_states, chain, source, offsets)
        given = initial, transition, mass, survivor
        for n, (start, end) in enumerate(pairwise(offsets)):
            densities = log_table[rows[start:end]]
            truth = semi_markov_by_enumeration(*given, densities)
            own = log_segmentation_probability(*given, densities, states[start:end])
            np.testing.assert_allclose([log_probability[n], again[n], own], truth.best, rtol=1e-12)
            own = log_segmentation_probability(*given, densities, any_states[start:end])
            np.testing.assert_allclose(of_any[n], own, rtol=1e-12)


def test_several_sequences_add_up_by_their_weights(rng):
    initial, transition = random_jumps(rng, 3)
    tables, mass, survivor = poisson_durations([0.5, 1.0, 3.0], 4)
    log_table = random_table(rng, 4, 3, missing=True)
    lengths, weights = np.array([1, 5, 3, 1, 6]), np.array([1.0, 2.5, 0.0, 1.0, 0.25])
    offsets, rows = np.append(0, np.cumsum(lengths)), rng.integers(4, size=lengths.sum())
    expected, posterior, terms, *_ = everything(initial, transition, tables, log_table, rows, offsets, weights)
    truths = [
        semi_markov_by_enumeration(initial, transition, mass, survivor, log_table[rows[start:end]])
        for start, end in pairwise(offsets)
    ]
    np.testing.assert_allclose(expected.log_likelihood, [truth.log_likelihood for truth in truths], rtol=1e-12)
    np.testing.assert_allclose(posterior, np.concatenate([truth.posteriors for truth in truths]), rtol=1e-11)
    np.testing.assert_allclose(terms, np.concatenate([truth.terms for truth in truths]), rtol=1e-11, atol=1e-13)
    weighted = [weight * truth.pairs for weight, truth in zip(weights, truths, strict=True)]
    np.testing.assert_allclose(expected.pairs, np.sum(weighted, axis=0), rtol=1e-11)
    for d in range(1, 4):
        own = sum(w * t.completed[:, d - 1] for w, t in zip(weights, truths, strict=True) if t.completed.shape[1] >= d)
        np.testing.assert_allclose(expected.completed[:, d - 1], own, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("exponent", [50, 320, 3000])
def test_likelihood_ratios_that_underflow(rng, exponent):
    """Each step favours one state by 10 to the `exponent`; durations as good as rule out what it asks for."""
    initial, transition = random_jumps(rng, 3)
    tables, mass, survivor = poisson_durations([0.1, 20.0, 3.0], 6)
    log_table = np.zeros((4, 3))
    log_table[:3] = -exponent * np.log(10) * (1 - np.eye(3)) * rng.uniform(1, 2, (3, 3))
    for rows in ([0, 0, 0, 1, 1, 1, 0], [1, 2, 1, 2, 3, 3, 1], [2, 2, 2, 2, 2, 2, 2]):
        found = everything(initial, transition, tables, log_table, rows)
        truth = semi_markov_by_enumeration(initial, transition, mass, survivor, log_table[rows])
        assert_equal_to(truth, found, np.array(rows), 6)


def test_durations_that_underflow():
    """A segment that is cut off after 60 steps, where the mean is 1, has a survivor of e-190."""
    tables = poisson_durations([1e-3, 1e-3], 100)[0]
    expected = [stats.poisson.logsf(d - 2, 1e-3) if d > 1 else 0.0 for d in range(1, 61)]
    with np.errstate(divide="ignore"):
        exact = stats.poisson.logpmf(np.arange(59, 200), 1e-3)
    np.testing.assert_allclose(tables.survivor[0, 59], np.logaddexp.reduce(exact), rtol=1e-12)
    np.testing.assert_allclose(tables.survivor[0, :30], expected[:30], rtol=1e-9, atol=1e-15)
    assert np.isfinite(tables.beyond).all()


# -------------------------------------------------------------------- sequences of probability zero

SURE = np.array([[0.0, -np.inf], [-np.inf, 0.0], [-np.inf, -np.inf], [0.0, 0.0]])  # A, B, neither, missing


@pytest.mark.parametrize("rows", [[0, 2, 1], [1], [0, 0, 0, 1]], ids=str)
def test_an_impossible_sequence_has_minus_infinity_and_adds_nothing(rows):
    """No state makes the observation; the other first state does; the first state cannot last so long."""
    tables = categorical_durations([[0.5, 0.5], [0.5, 0.5]])[0]
    chain = np.array([1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
    rows, offsets = np.array([0, 0, 1, *rows]), np.array([0, 3, 3 + len(rows)])
    expected, posterior, terms, filters, elapsed, best = everything(*chain, tables, SURE, rows, offsets)
    alone = everything(*chain, tables, SURE, rows[:3])[0]
    assert expected.log_likelihood[1] == -np.inf
    for both, first in zip(expected[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(both, first)
    for array in (posterior, filters, elapsed.reshape(2, -1)):
        np.testing.assert_allclose(array.sum(axis=1), 1, rtol=1e-12)
    assert np.isneginf(terms[3:]).sum() >= 1 and not np.isnan(terms).any()
    assert best[1][1] == -np.inf and set(best[0]) <= {0, 1}


def test_an_impossible_observation_is_passed_over_by_the_filter():
    tables = poisson_durations([1.0, 2.0], 8)[0]
    chain = np.array([0.5, 0.5]), np.array([[0.0, 1.0], [1.0, 0.0]])
    with_it = everything(*chain, tables, SURE, [0, 2, 0, 1])
    missing = everything(*chain, tables, SURE, [0, 3, 0, 1])
    assert with_it[2][1] == -np.inf
    np.testing.assert_allclose(np.delete(with_it[2], 1), np.delete(missing[2], 1), rtol=1e-12)
    np.testing.assert_allclose(with_it[3], missing[3], rtol=1e-12)
    np.testing.assert_allclose(with_it[4], missing[4], rtol=1e-12)


# -------------------------------------------------------------------- durations

FAMILIES = {
    "Poisson": (Poisson(), Poisson.Parameters(np.array([[0.3], [4.0]]))),
    "Poisson, at zero": (Poisson(), Poisson.Parameters(np.array([[0.0], [4.0]]))),
    "Categorical": (checked_family(Categorical(0.5)), Categorical.Parameters(np.full((2, 6), 1 / 6))),
    "Mixture": (
        Mixture(Poisson(), 2),
        Mixture.Parameters(np.full((2, 2), 0.5), Poisson.Parameters(np.array([[[0.3], [4.0]], [[1.0], [30.0]]]))),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("D", [1, 2, 6, 40])
def test_tables_are_distributions(name, D):
    """Survivors are sums of what is left, and hazards lead from one to the next."""
    family, parameters = FAMILIES[name]
    D = 6 if name == "Categorical" else D
    tables = durations_of(family, parameters, D)
    D = tables.longest
    mass, survivor = np.exp(tables.mass[:, : D - 1]), np.exp(tables.survivor[:, : D - 1])
    np.testing.assert_allclose(mass.sum(axis=1) + np.exp(tables.beyond), 1, rtol=1e-12)
    end, on = tables.hazards()
    np.testing.assert_allclose(end + on, 1, rtol=1e-12)
    if D > 1:
        np.testing.assert_allclose(survivor[:, 0], 1, rtol=1e-12)
        np.testing.assert_allclose(survivor[:, 1:], survivor[:, :-1] - mass[:, :-1], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(survivor * end[:, :-1], mass, rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(tables.mass_reversed[:, ::-1], tables.mass)
    np.testing.assert_array_equal(tables.survivor_reversed[:, ::-1], tables.survivor)
    assert np.isneginf(tables.mass[:, D - 1 :]).all()


@pytest.mark.parametrize("D", [1, 3, 7])
def test_the_m_step_sums_over_what_is_cut_off(rng, D):
    """The mean of completed durations and of those that are left, each to its family's end."""
    rates = np.array([0.7, 3.0])
    tables = poisson_durations(rates, D)[0]
    width = tables.mass.shape[1]
    completed, censored = np.zeros((2, width)), np.zeros((2, width))
    completed[:, : D - 1], censored[:, :D] = rng.random((2, D - 1)), rng.random((2, D))
    counts = np.arange(400)
    means = []
    for k, rate in enumerate(rates):
        pmf = stats.poisson.pmf(counts, rate)
        total = (completed[k, : D - 1] * np.arange(D - 1)).sum()
        for d in range(1, D + 1):
            total += censored[k, d - 1] * (counts * pmf)[d - 1 :].sum() / pmf[d - 1 :].sum()
        means.append(total / (completed[k].sum() + censored[k].sum()))
    found = maximize_durations(Poisson(), Poisson.Parameters(rates[:, None]), tables, completed, censored)
    np.testing.assert_allclose(found.rates[:, 0], means, rtol=1e-10)


def test_a_state_that_is_never_left_does_no_harm():
    """Where the end comes is out of sight; the probability of lasting is what counts."""
    rates = np.array([[3e3], [1e5]])
    tables = durations_of(Poisson(), Poisson.Parameters(rates), 20)
    np.testing.assert_allclose(tables.beyond, 0, atol=1e-12)
    censored = np.zeros((2, 24))
    censored[:, 19] = 1.0
    found = maximize_durations(Poisson(), Poisson.Parameters(rates), tables, np.zeros((2, 24)), censored)
    assert np.isfinite(found.rates).all() and (found.rates > 19).all()


@pytest.mark.parametrize("family", [Gaussian(), Bernoulli(), Mixture(Categorical()), "poisson"], ids=str)
def test_durations_are_counts(family):
    with pytest.raises((TypeError, ValueError), match="a family of counts such as Poisson"):
        checked_family(family)
