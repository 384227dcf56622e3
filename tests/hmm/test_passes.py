"""The fast passes against slower recursions, over all paddings, blocks and tiles, and where each is used."""

from itertools import pairwise

import numpy as np
import pytest

from seqmodels.arrays import padded_width
from seqmodels.emissions import Gaussian
from seqmodels.hmm import expectations as e_step
from seqmodels.hmm import groups, inference, long_sequence, tables
from seqmodels.hmm.passes import BLOCK

from .test_inference import CHAINS, LN10, PATTERNS, random_chain, random_table

K_AT_PADDINGS = [1, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 70]
SMALL_TILE = 64


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 64 steps, so that sequences are long soon."""
    monkeypatch.setattr(tables, "NUMBERS_IN_A_TILE", 1)
    assert tables.tile_steps(4) == SMALL_TILE


@pytest.fixture
def only_fast_passes(monkeypatch):
    """No sequence may be left to slower recursions."""

    def refuse(*_):
        raise AssertionError("the fast passes would have been enough")

    monkeypatch.setattr(e_step, "careful_expectations", refuse)


def data(generator, K, lengths, missing=False, zeros=False, S=5):
    initial, transition = random_chain(generator, K, zeros)
    log_table = random_table(generator, S, K, missing, impossible=zeros)
    offsets = np.append(0, np.cumsum(lengths))
    return initial, transition, log_table, generator.integers(S, size=offsets[-1]), offsets


CAREFUL = e_step.careful_expectations


def carefully(*case):
    """The recursions that are rescaled at each step and count what they lose, also where they are refused."""
    return CAREFUL(*case, np.arange(len(case[-1])))


def assert_same(found, truth, rtol=1e-11):
    for name, one, other in zip(found._fields, found, truth, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-12 * np.abs(other).max(initial=1e-3), err_msg=name)


# -------------------------------------------------------------------- all shapes


@pytest.mark.parametrize("K", K_AT_PADDINGS)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.usefixtures("only_fast_passes")
def test_all_paddings(rng, K, zeros):
    lengths = [1, 2, 7, 8, 9, 15, 16, 17, 3, 1] if K < 16 else [9, 1, 2]
    case, weights = data(rng, K, lengths, missing=True, zeros=zeros), rng.choice([0.0, 0.5, 1.0, 3.0], len(lengths))
    assert_same(inference.expectations(*case, weights), carefully(*case, weights))


@pytest.mark.parametrize(
    "T", [1, 2, 3, 7, 8, 9, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 300]
)
@pytest.mark.parametrize("K", [2, 10])
@pytest.mark.usefixtures("only_fast_passes")
def test_all_lengths(rng, K, T):
    case = data(rng, K, [T], missing=True)
    assert_same(inference.expectations(*case, np.ones(1)), carefully(*case, np.ones(1)))


@pytest.mark.parametrize("T", [SMALL_TILE * 4 + 1, *(2 * SMALL_TILE * n + d for n in (2, 3) for d in (-1, 1, 2))])
@pytest.mark.parametrize("K", [2, 6, 12])
@pytest.mark.usefixtures("only_fast_passes", "small_tiles")
def test_tiles_of_checkpoints_equal_all_of_a_sequence(rng, K, T):
    case, weights = data(rng, K, [3, T, 5], missing=True), np.array([1.0, 0.5, 2.0])
    truth = carefully(*case, weights)
    fast = inference.expectations(*case, weights)
    low = inference.expectations(*case, weights, memory="low")
    assert_same(fast, truth)
    assert_same(low, truth)
    assert_same(low, fast, rtol=1e-12)


@pytest.mark.parametrize("memory", ["fast", "low"])
@pytest.mark.parametrize(
    "T", [1, 5, SMALL_TILE, SMALL_TILE + 1, 2 * SMALL_TILE, 2 * SMALL_TILE + 1, 5 * SMALL_TILE + 3]
)
@pytest.mark.usefixtures("only_fast_passes", "small_tiles")
def test_a_row_each_equals_a_table(rng, memory, T):
    K, lengths = 3, np.array([4, T, 1, 7])
    offsets, weights = np.append(0, np.cumsum(lengths)), np.array([1.0, 2.0, 0.0, 0.5])
    values = rng.normal(0, 2, (offsets[-1], 2))
    values[rng.random(values.shape) < 0.1] = np.nan
    family, (initial, transition) = Gaussian(), random_chain(rng, K)
    parameters = Gaussian.Parameters(rng.normal(0, 2, (K, 2)), rng.uniform(0.5, 2, (K, 2)))
    source = tables.RowEach(family, values, parameters, K)
    found = e_step.expectations(initial, transition, source, offsets, weights, memory=memory)
    log_table = family.log_table(values, parameters)
    truth = carefully(initial, transition, log_table, np.arange(len(values)), offsets, weights)
    assert_same(found._replace(visits=truth.visits), truth)
    statistics = family.sufficient_statistics(values, truth.visits, parameters)
    for one, other in zip(found.visits, statistics, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("K", [3, 12])
@pytest.mark.parametrize("memory", ["fast", "low"])
@pytest.mark.usefixtures("small_tiles")
def test_the_same_bits_for_any_number_of_threads(rng, monkeypatch, K, memory):
    monkeypatch.setattr(tables.FewRows, "most_steps", 20)
    lengths = [5, 30, 400 if K < 8 else 1100, 1, 1, 8, 20, 9]
    case, weights = data(rng, K, lengths, missing=True), rng.random(len(lengths))
    one, two, three = (inference.expectations(*case, weights, n_jobs=n, memory=memory) for n in (1, 2, 3))
    for name, a, b, c in zip(one._fields, one, two, three, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
        np.testing.assert_array_equal(a, c, err_msg=name)


@pytest.mark.parametrize("memory", ["fast", "low"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.usefixtures("small_tiles", "only_fast_passes")
def test_the_same_bits_with_a_row_each(rng, monkeypatch, memory, kept):
    """One task for both passes, or two; likelihoods kept, or found again."""
    monkeypatch.setattr(long_sequence, "LIKELIHOODS_TO_KEEP", 10_000 if kept else 0)
    offsets, (initial, transition) = np.array([0, 5, 262, 264, 700]), random_chain(rng, 3)
    parameters = Gaussian.Parameters(rng.normal(0, 2, (3, 2)), rng.uniform(0.5, 2, (3, 2)))
    source = tables.RowEach(Gaussian(), rng.normal(0, 2, (700, 2)), parameters, 3)
    one, two = (e_step.expectations(initial, transition, source, offsets, np.ones(4), n, memory) for n in (1, 2))
    for a, b in zip((*one[:3], *one.visits), (*two[:3], *two.visits), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("K", [3, 12])
@pytest.mark.usefixtures("only_fast_passes")
def test_a_very_long_sequence_without_tiles(rng, monkeypatch, K):
    monkeypatch.setattr(groups, "WORTH_TWO_TASKS", 100)
    monkeypatch.setattr(groups, "WORTH_TWO_TASKS_IF_SHORT", 100)
    case, weights = data(rng, K, [3, 301, 5], missing=True), np.array([1.0, 0.5, 2.0])
    one, two = (inference.expectations(*case, weights, n_jobs=n) for n in (1, 2))
    assert_same(one, carefully(*case, weights))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


# -------------------------------------------------------------------- which passes are used


def banded(K):
    """From left to right, with stays."""
    transition = 0.9 * np.eye(K) + 0.1 * np.eye(K, k=1)
    transition[-1, -1] = 1.0
    return np.eye(K)[0], transition


@pytest.mark.parametrize("K", [3, 10])
@pytest.mark.usefixtures("only_fast_passes")
def test_ordinary_data_of_a_chain_from_left_to_right(rng, K):
    """The states that are left for good, and those not reached yet, are lost without harm."""
    initial, transition = banded(K)
    means = 4.0 * np.arange(K)
    values = np.concatenate([rng.normal(mean, 1, 60) for mean in means])
    log_table = -0.5 * (values[:, None] - means) ** 2
    case = initial, transition, log_table, np.arange(len(values)), np.array([0, len(values)])
    assert_same(inference.expectations(*case, np.ones(1)), carefully(*case, np.ones(1)))


@pytest.mark.parametrize("exponent", [100, 300, 3000])
@pytest.mark.usefixtures("only_fast_passes")
def test_many_features_where_states_mix(rng, exponent):
    initial, transition = random_chain(rng, 4)
    log_table = -exponent * LN10 * rng.random((30, 4))
    rows = rng.integers(30, size=200)
    case = initial, transition, log_table, rows, np.array([0, 200])
    assert_same(inference.expectations(*case, np.ones(1)), carefully(*case, np.ones(1)))


@pytest.mark.usefixtures("only_fast_passes")
def test_an_outlier_needs_a_scale_at_every_step():
    """Steps of 1e-9 and more are too much for eight of them without a scale, and not for one."""
    initial, transition = np.array([1.0, 0.0]), np.array([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]])
    log_table, rows = LN10 * np.array([[0.0, -20.0], [-20.0, 0.0]]), np.array([0, 1] * 20)
    case = initial, transition, log_table, rows, np.array([0, 40])
    assert_same(inference.expectations(*case, np.ones(1)), carefully(*case, np.ones(1)))


def test_only_the_hard_sequences_of_a_batch_are_redone(rng, monkeypatch):
    """Each alone, and the others' statistics are what they are without it."""
    redone = []

    def note(*arguments):
        redone.append(list(arguments[-1]))
        return CAREFUL(*arguments)

    monkeypatch.setattr(e_step, "careful_expectations", note)
    initial, transition = CHAINS["identity"]
    log_table = np.zeros((4, 3))
    for state in range(3):
        log_table[state] = -60 * LN10
        log_table[state, state] = 0.0
    ordinary, hard = np.zeros(12, dtype=int), np.array(PATTERNS["both passes lose the winner"])
    rows = np.concatenate([ordinary, hard, ordinary, hard, ordinary])
    offsets = np.append(0, np.cumsum([12, 25, 12, 25, 12]))
    weights = np.array([1.0, 2.0, 1.0, 0.5, 1.0])
    found = inference.expectations(initial, transition, log_table, rows, offsets, weights)
    assert redone == [[0, 2]]
    assert_same(found, carefully(initial, transition, log_table, rows, offsets, weights))


@pytest.mark.parametrize("T", [10, 300])
@pytest.mark.usefixtures("small_tiles")
def test_hard_sequences_of_a_row_each(rng, T):
    """Two states that never change, and observations that go from one to the other and back."""
    initial, transition = np.array([0.5, 0.5]), np.eye(2)
    values = np.concatenate([rng.normal(0, 1, (7, 1)), np.repeat([[0.0], [60.0], [0.0]], T, axis=0)])
    offsets, weights = np.array([0, 7, 7 + 3 * T]), np.array([1.0, 2.0])
    parameters = Gaussian.Parameters([[0.0], [60.0]], [[1.0], [1.0]])
    parameters = Gaussian.Parameters(*(np.array(array) for array in parameters))
    log_table = Gaussian().log_table(values, parameters)
    truth = carefully(initial, transition, log_table, np.arange(len(values)), offsets, weights)
    statistics = Gaussian().sufficient_statistics(values, truth.visits, parameters)
    for memory in ("fast", "low"):
        source = tables.RowEach(Gaussian(), values, parameters, 2)
        found = e_step.expectations(initial, transition, source, offsets, weights, memory=memory)
        assert_same(found._replace(visits=truth.visits), truth)
        for one, other in zip(found.visits, statistics, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_what_is_never_reached_counts_nothing(rng):
    """Not even what the floor makes of it: its old parameters are kept."""
    initial, transition = np.array([0.5, 0.5, 0.0]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.3, 0.4]])
    log_table, rows = random_table(rng, 4, 3), rng.integers(4, size=50)
    found = inference.expectations(initial, transition, log_table, rows, np.array([0, 50]), np.ones(1))
    assert np.all(found.visits[:, 2] == 0)
    assert np.all(found.pairs[2] == 0)
    assert np.all(found.pairs[:, 2] == 0)
    assert found.starts[2] == 0


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("exponent", [60, 320])
def test_hard_cases_in_tiles(small_tiles, chain, exponent, rng):
    """As in the tests of inference, in sequences that are long for these tiles."""
    initial, transition = CHAINS[chain]
    log_table = np.zeros((4, 3))
    for state in range(3):
        log_table[state] = -exponent * LN10
        log_table[state, state] = 0.0
    rows = np.repeat([0, 1, 0, 2, 1, 0], 47)
    case = initial, transition, log_table, rows, np.array([0, len(rows)])
    weights = np.ones(1)
    assert_same(inference.expectations(*case, weights, memory="low"), carefully(*case, weights))


def test_widths():
    states, widths = (1, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65), [4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 96]
    assert [padded_width(K) for K in states] == widths


# -------------------------------------------------------------------- state probabilities


@pytest.mark.parametrize("K", [1, 3, 5, 12, 33])
@pytest.mark.usefixtures("small_tiles")
def test_probabilities_of_states_in_tiles(rng, K):
    initial, transition, log_table, rows, offsets = data(rng, K, [1, 5, 200, 2, 64, 130], missing=True)
    one, two = (inference.posterior(initial, transition, log_table, rows, offsets, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    for n, (start, end) in enumerate(pairwise(offsets)):
        alone = np.array([0, end - start])
        own = carefully(initial, transition, log_table[rows[start:end]], np.arange(end - start), alone, np.ones(1))
        np.testing.assert_allclose(one[start:end], own.visits, rtol=1e-11, atol=1e-14, err_msg=f"sequence {n}")
