"""The numbering of states, what is told about them, and which parameters are free."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from seqmodels import HMM
from seqmodels.emissions import Categorical, Gaussian, Mixture, Poisson
from seqmodels.hmm import Ergodic, LeftToRight

from .cases import FAMILIES, sequences

TRANSITION = np.array([[0.7, 0.2, 0.1], [0.1, 0.85, 0.05], [0.3, 0.0, 0.7]])
RATES = np.array([[20.0, 1.0], [1.0, 2.0], [5.0, 3.0]])
X = [[[1, 2], [20, 1], [19, 0], [4, 3], [2, 1]], [[5, 3], [0, 0]]]


def model(**options):
    given = HMM.from_parameters([0.6, 0.3, 0.1], TRANSITION, Poisson.Parameters(RATES), Poisson())
    return given.set_params(**options)


def assert_renumbered(before, after, order):
    """State k of one is state ``order[k]`` of the other, and nothing else has changed."""
    np.testing.assert_array_equal(after.initial_, np.asarray(before.initial_)[order])
    np.testing.assert_array_equal(after.transition_, np.asarray(before.transition_)[np.ix_(order, order)])
    np.testing.assert_allclose(after.log_likelihood(X), before.log_likelihood(X), rtol=1e-12)
    for now, then in zip(after.decode(X), before.decode(X), strict=True):
        np.testing.assert_array_equal(np.array(order)[now], then)
    assert after.n_parameters_ == before.n_parameters_


# -------------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("rates", [1, 2, 0]), ("mean", [1, 2, 0]), ("stationary", [1, 0, 2]), ([2, 0, 1], [2, 0, 1]),
        ((0, 1, 2), [0, 1, 2]),
    ],
)  # fmt: skip
def test_states_can_be_numbered_anew(by, order):
    reordered = model()
    assert reordered.reorder(by) is reordered
    assert_renumbered(model(), reordered, order)
    np.testing.assert_array_equal(reordered.emission_.rates, RATES[order])


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
def test_any_family_can_be_reordered(family):
    data = sequences(family, np.random.default_rng(0), gaps=True)
    fitted = HMM(3, FAMILIES[family], max_iter=2, random_state=0).fit(data)
    again = pickle.loads(pickle.dumps(fitted)).reorder([2, 0, 1])
    np.testing.assert_allclose(again.log_likelihood(data), fitted.log_likelihood(data), rtol=1e-12)
    assert again.n_parameters_ == fitted.n_parameters_
    for now, then in zip(again.posterior(data), fitted.posterior(data), strict=True):
        np.testing.assert_allclose(now, then[:, [2, 0, 1]], rtol=1e-9, atol=1e-12)


def test_equal_states_keep_their_order():
    given = HMM.from_parameters([0.2, 0.3, 0.5], np.eye(3), {"rates": [[1.0], [1.0], [0.5]]}, Poisson())
    np.testing.assert_array_equal(given.reorder("rates").initial_, [0.5, 0.2, 0.3])


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("means", "by is 'means'; 'rates', 'mean', 'stationary' or the old number"),
        ([0, 1], r"by is \[0, 1\]; each of the states 0 to 2 once"),
        ([0, 1, 1], r"by is \[0, 1, 1\]; each of the states 0 to 2 once"),
        ([1, 2, 3], r"by is \[1, 2, 3\]; each of the states 0 to 2 once"),
        (2, "by is 2; each of the states 0 to 2 once"),
        ([0.0, 1.0, 2.0], r"by is \[0.0, 1.0, 2.0\]; each of the states 0 to 2 once"),
        ([True, False, True], r"by is \[True, False, True\]; each of the states 0 to 2 once"),
    ],
)
def test_an_order_that_is_none_is_refused(by, message):
    with pytest.raises(ValueError, match=message):
        model().reorder(by)


def test_an_order_of_two_states_is_no_mask():
    two = HMM.from_parameters([0.2, 0.8], [[0.9, 0.1], [0.3, 0.7]], Poisson.Parameters(np.ones((2, 1))), Poisson())
    with pytest.raises(ValueError, match=r"by is \[True, False\]; each of the states 0 to 1 once"):
        two.reorder([True, False])


def test_what_mixtures_and_symbols_can_be_ordered_by():
    symbols = HMM(2, max_iter=1, random_state=0).fit(["abab"])
    with pytest.raises(ValueError, match="by is 'mean'; 'probabilities', 'stationary' or"):
        symbols.reorder("mean")
    symbols.reorder("probabilities")
    assert (np.diff(symbols.emission_.probabilities[:, 0]) >= 0).all()
    mixed = HMM(2, Mixture(Poisson(), 2), max_iter=1, random_state=0).fit([[1, 9, 2, 20, 1]])
    with pytest.raises(ValueError, match="by is 'components'; 'weights', 'mean', 'stationary' or"):
        mixed.reorder("components")
    assert (np.diff(mixed.family_.mean(mixed.reorder("mean").emission_)[:, 0]) >= 0).all()


def test_training_goes_on_in_the_new_order(rng):
    data = [rng.poisson(rng.choice([2, 20], 30)) for _ in range(3)]
    options = {"max_iter": 2, "tol": 0, "random_state": 0, "warm_start": True}
    plain, reordered = (HMM(2, Poisson(), **options).partial_fit(data).partial_fit(data[:1]) for _ in range(2))
    plain.partial_fit(data[1:]).fit(data)
    reordered.reorder([1, 0]).partial_fit(data[1:]).fit(data)
    np.testing.assert_allclose(reordered.emission_.rates, plain.emission_.rates[::-1], rtol=1e-9)


# -------------------------------------------------------------------- agreement with another model


@pytest.mark.parametrize("seed", range(3))
def test_states_are_numbered_as_in_another_model(seed):
    generator = np.random.default_rng(seed)
    order = generator.permutation(3)
    data = model().sample(5, 40, random_state=seed)
    renumbered = model().reorder(order)
    assert renumbered.align_to(model(), data) is renumbered
    np.testing.assert_array_equal(renumbered.emission_.rates, RATES)
    fits = [HMM(3, Poisson(), random_state=s, n_init=3).fit(data) for s in (seed, seed + 1)]
    first, second = (np.concatenate(each.decode(data)) for each in (fits[0], fits[1].align_to(fits[0], data)))
    assert (first == second).mean() > 0.9


def test_the_agreement_cannot_be_improved(rng):
    data, other = model().sample(3, 30, random_state=0), model()
    other.emission_ = Poisson.Parameters(rng.uniform(1, 20, (3, 2)))

    def agreement(own):
        return np.mean(np.concatenate(own.decode(data)) == np.concatenate(other.decode(data)))

    best = agreement(model().align_to(other, data))
    assert best == max(agreement(model().reorder(rng.permutation(3))) for _ in range(20))


def test_only_as_many_states_can_be_aligned():
    other = HMM(2, Poisson(), max_iter=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="other has 2 states; 3, as many"):
        model().align_to(other, X)


# -------------------------------------------------------------------- in the long run


def test_long_run_and_durations():
    long_run = np.linalg.matrix_power(TRANSITION, 500)[0]
    np.testing.assert_allclose(model().stationary_distribution_, long_run, rtol=1e-10)
    np.testing.assert_allclose(model().expected_durations_, [1 / 0.3, 1 / 0.15, 1 / 0.3], rtol=1e-12)
    absorbing = HMM.from_parameters([1, 0], [[0.5, 0.5], [0, 1]], {"rates": [[1.0], [2.0]]}, Poisson())
    np.testing.assert_array_equal(absorbing.expected_durations_, [2, np.inf])
    np.testing.assert_array_equal(absorbing.stationary_distribution_, [0, 1])
    absorbing.transition_ = np.eye(2)
    with pytest.raises(ValueError, match="no unique stationary distribution"):
        absorbing.stationary_distribution_  # noqa: B018


def test_durations_are_those_of_samples():
    _, paths = model().sample(200, 100, return_states=True, random_state=0)
    for state, expected in enumerate(model().expected_durations_):
        lasting, ended = 0, 0
        for path in paths:
            own = path == state
            lasting, ended = lasting + own[:-1].sum(), ended + (own[:-1] & ~own[1:]).sum()
        np.testing.assert_allclose(lasting / ended, expected, rtol=0.1)


# -------------------------------------------------------------------- free parameters


def test_what_is_ruled_out_from_the_start_is_not_free(rng):
    init = {"initial": [1.0, 0, 0], "transition": [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]}
    fitted = HMM(3, Poisson(), init=init, max_iter=2, random_state=0).fit([rng.poisson(5, 30)])
    assert fitted.n_parameters_ == 0 + 3 + 3


def test_a_zero_that_estimation_comes_to_is_free():
    fitted = HMM(2, random_state=0).fit(["abab"], states=[[0, 1, 0, 1]])
    np.testing.assert_array_equal(fitted.transition_, [[0, 1], [1, 0]])
    assert fitted.n_parameters_ == 1 + 2 + 2
    again = clone(fitted).set_params(warm_start=True).fit(["abab"], states=[[0, 1, 0, 1]])
    assert again.fit(["abab"], states=[[0, 1, 0, 1]]).n_parameters_ == 1 + 2 + 2


def test_free_zeros_move_with_their_states():
    fitted = HMM(3, random_state=0).fit(["abcbc"], states=[[0, 1, 2, 1, 2]])
    np.testing.assert_array_equal(fitted.transition_, [[0, 1, 0], [0, 0, 1], [0, 1, 0]])
    for order in ([1, 0, 2], [2, 1, 0], [1, 2, 0]):
        assert fitted.reorder(order).n_parameters_ == 2 + 6 + 6


def test_a_zero_that_is_set_after_fit_is_not_free(rng):
    fitted = HMM(3, Poisson(), max_iter=2, random_state=0).fit([rng.poisson(5, 30)])
    assert fitted.n_parameters_ == 2 + 6 + 3
    fitted.transition_[0] = [0.5, 0.5, 0.0]
    assert fitted.n_parameters_ == 2 + 5 + 3
    fitted.transition_ = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    fitted.initial_ = [1.0, 0.0, 0.0]
    assert fitted.n_parameters_ == 0 + 2 + 3
    assert fitted.reorder([2, 1, 0]).n_parameters_ == 0 + 2 + 3
    bic = np.log(2) * 5 - 2 * fitted.log_likelihood([[1, 2]]).sum()
    np.testing.assert_allclose(fitted.bic([[1, 2]]), bic, rtol=1e-12)


def test_a_chain_made_free_after_fit_is_counted(rng):
    fitted = HMM(2, Poisson(), transitions=LeftToRight(), max_iter=2).fit([rng.poisson(5, 30)])
    assert fitted.n_parameters_ == 0 + 1 + 2
    fitted.transition_ = np.full((2, 2), 0.5)
    assert fitted.n_parameters_ == 0 + 2 + 2


@pytest.mark.parametrize(
    ("fixed", "n"),
    [
        (("transition",), 2 + 0 + 12), (("initial",), 0 + 6 + 12), (("emission",), 2 + 6), (("means",), 2 + 6 + 6),
        (("initial", "transition", "covariances"), 6), (("initial", "transition", "emission"), 0),
    ],
)  # fmt: skip
def test_what_is_fixed_is_not_free(rng, fixed, n):
    fitted = HMM(3, Gaussian(), fixed=fixed, max_iter=2, random_state=0).fit([rng.normal(size=(200, 2))])
    assert fitted.n_parameters_ == n
    assert fitted.reorder("means").n_parameters_ == n


def test_known_entries_are_not_free(rng):
    known = np.array([[0.9, np.nan, np.nan], [np.nan] * 3, [np.nan, 0.5, np.nan]])
    fitted = HMM(3, Poisson(), transitions=Ergodic(fixed=known), max_iter=2, random_state=0).fit([rng.poisson(5, 30)])
    assert fitted.n_parameters_ == 2 + (1 + 2 + 1) + 3
    assert fitted.reorder([1, 2, 0]).n_parameters_ == 2 + (1 + 2 + 1) + 3
    np.testing.assert_allclose(fitted.aic([[3]]), 2 * 9 - 2 * fitted.log_likelihood([[3]])[0])


def test_symbols_of_given_models():
    given = HMM.from_parameters([1.0, 0.0], [[0.5, 0.5], [0.0, 1.0]], {"probabilities": np.eye(2)}, Categorical())
    assert given.n_parameters_ == 0 + 1 + 2
