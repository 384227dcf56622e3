"""Viterbi's algorithm: over all paddings and tiles, against a plain recursion; in any number of threads."""

from itertools import pairwise

import numpy as np
import pytest
from reference import log_path_probability

from seqmodels.emissions import Gaussian
from seqmodels.hmm import decoding, inference, tables

from .test_inference import random_chain, random_table

K_AT_PADDINGS = [1, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 70]


def best_log_probability(initial, transition, log_densities):
    """By the recursion on logarithms, one step at a time."""
    with np.errstate(divide="ignore"):
        scores, log_transition = np.log(initial) + log_densities[0], np.log(transition)
    for densities in log_densities[1:]:
        scores = (scores[:, None] + log_transition).max(axis=0) + densities
    return scores.max()


def check(case, found):
    """Each path is as probable as it is said to be, and as the best one."""
    initial, transition, log_table, rows, offsets = case
    states, log_probability = found
    for n, (start, end) in enumerate(pairwise(offsets)):
        densities = log_table[rows[start:end]]
        best = best_log_probability(initial, transition, densities)
        own = log_path_probability(initial, transition, densities, states[start:end])
        np.testing.assert_allclose([log_probability[n], own], best, rtol=1e-12)


def data(generator, K, lengths, zeros=False, S=5):
    chain = random_chain(generator, K, zeros)
    log_table = random_table(generator, S, K, missing=True, impossible=zeros)
    offsets = np.append(0, np.cumsum(lengths))
    return *chain, log_table, generator.integers(S, size=offsets[-1]), offsets


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 64 steps."""
    monkeypatch.setattr(tables, "NUMBERS_IN_A_TILE", 1)


@pytest.mark.parametrize("K", K_AT_PADDINGS)
@pytest.mark.parametrize("zeros", [False, True])
def test_all_paddings(rng, K, zeros):
    case = data(rng, K, [1, 2, 3, 7, 8, 9, 17, 1] if K < 16 else [1, 2, 17], zeros)
    check(case, inference.decode(*case))


@pytest.mark.parametrize("K", [3, 12])
@pytest.mark.parametrize("T", [1000, 1001, 1002])
def test_a_long_sequence_in_two_tasks(rng, K, T):
    case = data(rng, K, [5, T, 1])
    one, two = (inference.decode(*case, n_jobs=n) for n in (1, 2))
    check(case, one)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("T", [1, 2, 63, 64, 65, 127, 128, 129, 130, 321])
@pytest.mark.usefixtures("small_tiles")
def test_a_row_each(rng, T):
    values = rng.normal(0, 2, (T + 8, 2))
    values[3] = np.nan
    initial, transition = random_chain(rng, 3)
    parameters = Gaussian.Parameters(rng.normal(0, 2, (3, 2)), rng.uniform(0.5, 2, (3, 2)))
    offsets = np.array([0, 5, 5 + T, 8 + T])
    source = tables.RowEach(Gaussian(), values, parameters, 3)
    found = decoding.decode(initial, transition, source, offsets, 2)
    log_table = Gaussian().log_table(values, parameters)
    check((initial, transition, log_table, np.arange(len(values)), offsets), found)


def test_likelihoods_far_beyond_underflow(rng):
    """Scores are brought back to zero, and -inf stays what it is."""
    initial, transition = random_chain(rng, 4, zeros=True)
    log_table = -1e5 * rng.random((6, 4))
    log_table[rng.random((6, 4)) < 0.3] = -np.inf
    log_table[:, 0] = -3e4
    case = initial, transition, log_table, rng.integers(6, size=300), np.array([0, 100, 300])
    check(case, inference.decode(*case))


def test_the_first_of_equal_paths():
    """With all paths equally probable, each state is the first."""
    case = np.full(12, 1 / 12), np.full((12, 12), 1 / 12), np.zeros((1, 12)), np.zeros(30, dtype=int), np.array([0, 30])
    states, log_probability = inference.decode(*case)
    np.testing.assert_array_equal(states, 0)
    np.testing.assert_allclose(log_probability, -30 * np.log(12), rtol=1e-12)
