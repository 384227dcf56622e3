import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.comparison.holdout import difference, mean_per_observation, set_aside


def identities(sequences):
    return {float(sequence[0]) for sequence in sequences}


def numbered(n, length=3):
    return [np.full(length, float(i)) for i in range(n)]


# -------------------------------------------------------------------- splits


def test_many_sequences_are_dealt_out_whole_and_once():
    split = set_aside(numbered(50), seed=3)
    parts = [identities(part) for part in (split.train, split.validation, split.test)]
    assert [len(part) for part in parts] == [40, 5, 5]
    assert set.union(*parts) == set(range(50))
    assert "at random (seed 3)" in split.protocol


def test_the_seed_alone_decides():
    first, again, other = (set_aside(numbered(50), seed=seed) for seed in (3, 3, 4))
    assert identities(first.test) == identities(again.test) != identities(other.test)


def test_few_sequences_are_cut_in_time():
    split = set_aside([np.arange(100.0), np.arange(1000.0, 1010.0)])
    assert split.train.lengths.tolist() == [60, 6]
    assert split.validation.lengths.tolist() == [80, 8]
    assert split.validation.values[split.validation.scored, 0].tolist() == [*range(60, 80), 1006, 1007]
    assert split.test.values[split.test.scored, 0].tolist() == [*range(80, 100), 1008, 1009]
    assert "cut in time" in split.protocol


@pytest.mark.parametrize("given, sizes", [("validation", (45, 2, 5)), ("test", (45, 5, 2))])
def test_what_is_given_is_not_taken_from_X(given, sizes):
    split = set_aside(numbered(50), **{given: numbered(2)})
    assert (len(split.train), len(split.validation), len(split.test)) == sizes


def test_a_given_test_set_leaves_all_of_time_to_the_others():
    split = set_aside([np.arange(100.0)], test=[np.arange(7.0)])
    assert split.train.n_observations == 80
    assert split.validation.scored.sum() == 20
    assert "the first 80 %" in split.protocol


def test_with_all_given_nothing_is_split():
    split = set_aside(numbered(5), numbered(2), numbered(3))
    assert (len(split.train), len(split.validation), len(split.test)) == (5, 2, 3)
    assert "random" not in split.protocol and "time:" not in split.protocol


def test_all_parts_share_one_alphabet():
    split = set_aside(["abba", "bab"], ["cab"], ["dd"], symbolic=True)
    assert split.train.alphabet == split.validation.alphabet == split.test.alphabet == ("a", "b", "c", "d")
    assert split.test[0] == "dd"


def test_symbols_without_an_order_share_an_alphabet_too():
    split = set_aside([["a", 1]], [["a", None]], [["b", 1.5]], symbolic=True)
    assert set(split.train.alphabet) == {"a", "b", 1, 1.5}


def test_an_alphabet_that_is_given_keeps_its_order():
    X = Sequences.wrap(["abc", "cab"] * 10, alphabet="cba")
    assert set_aside(X, symbolic=True).train.alphabet == ("c", "b", "a")


def test_units_are_sequences_where_there_are_many():
    split = set_aside(numbered(20), test=[np.array([1.0, np.nan]), np.array([np.nan]), *numbered(10, 2)])
    assert split.units.tolist() == [0, *np.repeat(range(1, 11), 2)]  # what counts nowhere is no unit
    assert "over test sequences" in split.protocol


def test_units_are_blocks_of_time_where_sequences_are_few():
    split = set_aside([np.arange(500.0)])
    assert split.counts.tolist() == [10] * 10
    assert np.all(np.diff(split.units) >= 0)
    assert "blocks of about 10 time steps" in split.protocol


def test_blocks_do_not_reach_over_sequences():
    split = set_aside(numbered(20), test=[np.zeros(4), np.zeros(1), np.zeros(9)])
    assert split.units.tolist() == [0, 0, 1, 1, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]


def test_sums_leave_out_what_does_not_count():
    split = set_aside(numbered(20), test=Sequences.wrap([np.zeros(3), np.zeros(2)]).given_past(1))
    terms = [np.array([np.nan, 1.0, 2.0]), np.array([np.nan, 4.0])]
    assert split.sums(terms).sum() == 7


@pytest.mark.parametrize(
    "X, words",
    [
        ([[1.0, 2.0]], "no observation of test counts"),
        ([np.r_[np.zeros(60), np.full(20, np.nan), np.zeros(20)]], "no observation of validation counts"),
        (Sequences.wrap([np.zeros(9)]).given_past(1), "X has observations that are merely given"),
    ],
)
def test_too_little_is_refused(X, words):
    with pytest.raises(ValueError, match=words):
        set_aside(X)


# -------------------------------------------------------------------- standard errors

SUMS = np.array([-4.0, -9.0, -2.0])
OTHER = np.array([-5.0, -9.5, -3.5])
COUNTS = np.array([2, 4, 2])


def test_standard_error_by_hand():
    # mean -15 / 8; residuals -0.25, -1.5, 1.75; sqrt(3 / 2 * 5.375) / 8
    estimate = mean_per_observation(SUMS, COUNTS)
    assert estimate.value == -1.875
    assert estimate.standard_error == pytest.approx(np.sqrt(1.5 * 5.375) / 8, rel=1e-14)


def test_paired_standard_error_by_hand():
    # differences 1, 0.5, 1.5 over 2, 4, 2 observations: mean 0.375, residuals 0.25, -1, 0.75
    estimate = difference(SUMS, OTHER, COUNTS)
    assert estimate.value == 0.375
    assert estimate.standard_error == pytest.approx(np.sqrt(1.5 * (0.0625 + 1 + 0.5625)) / 8, rel=1e-14)


def test_interval_is_student_t():
    estimate = difference(SUMS, OTHER, COUNTS)
    reach = 4.302652729911275 * estimate.standard_error  # 0.975 quantile, 2 degrees of freedom
    assert estimate.interval() == pytest.approx((0.375 - reach, 0.375 + reach), rel=1e-10)


def test_intervals_cover(rng):
    covered = 0
    for _ in range(400):
        counts = rng.integers(1, 30, 25)
        differences = 0.2 * counts + rng.normal(0, np.sqrt(counts))
        low, high = difference(differences, np.zeros(25), counts).interval()
        covered += low < 0.2 < high
    assert 0.91 < covered / 400 < 0.985


def test_one_unit_has_no_standard_error():
    estimate = mean_per_observation(np.array([-3.0]), np.array([2]))
    assert estimate.value == -1.5 and estimate.standard_error is None and estimate.interval() is None


def test_minus_infinity_has_no_standard_error_and_makes_no_nan():
    impossible = np.array([-np.inf, -1.0, -2.0])
    assert mean_per_observation(impossible, COUNTS)[:2] == (-np.inf, None)
    assert difference(impossible, SUMS, COUNTS)[:2] == (-np.inf, None)
    assert difference(SUMS, impossible, COUNTS)[:2] == (np.inf, None)
    assert difference(impossible, impossible, COUNTS)[:2] == (None, None)
