"""Chains that start from their stationary distribution."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from seqmodels import HMM
from seqmodels.emissions import Poisson
from seqmodels.hmm import Ergodic, Sticky
from seqmodels.hmm.stationary import _TiedStart, stationary_distribution, transition_with_starts

from .cases import assert_never_falls, sequences, stationary_loss
from .test_training import EARTHQUAKES


def random_transition(generator, K=4, zeros=0.0):
    transition = generator.dirichlet(np.full(K, 0.7), K) * (generator.random((K, K)) >= zeros)
    transition += np.diag(transition.sum(axis=1) == 0)
    return transition / transition.sum(axis=1, keepdims=True)


# -------------------------------------------------------------------- the distribution


@pytest.mark.parametrize("K", [1, 2, 5, 20])
def test_one_step_leaves_it_as_it_is(rng, K):
    transition = random_transition(rng, K)
    found = stationary_distribution(transition)
    np.testing.assert_allclose(found @ transition, found, rtol=1e-12)
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-14)
    direct = np.linalg.solve((np.eye(K) - transition + np.ones((K, K))).T, np.ones(K))  # Zucchini and MacDonald
    np.testing.assert_allclose(found, direct, rtol=1e-9)


def test_of_two_states_by_formula():
    for leave, come in ((0.3, 0.1), (1e-12, 0.5), (1e-30, 1e-10), (1.0, 1.0)):
        found = stationary_distribution([[1 - leave, leave], [come, 1 - come]])
        np.testing.assert_allclose(found, np.array([come, leave]) / (leave + come), rtol=1e-14)


def test_states_that_are_left_for_good_have_none():
    transition = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.2, 0.8, 0.0], [0.0, 0.0, 0.25, 0.75], [0.0, 0.0, 1.0, 0.0]])
    np.testing.assert_allclose(stationary_distribution(transition), [0, 0, 4 / 7, 3 / 7], rtol=1e-14)
    np.testing.assert_array_equal(stationary_distribution(np.triu(np.ones((3, 3))) / [[3], [2], [1]]), [0, 0, 1])


def test_there_may_be_several():
    with pytest.raises(ValueError, match=r"neither the states \[0, 2\] nor the states \[1\] are ever left"):
        stationary_distribution([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])


# -------------------------------------------------------------------- the M-step


def problem(generator, K=3, known=False):
    old = random_transition(generator, K)
    free = np.ones((K, K), dtype=bool)
    if known:
        free[0, 1] = free[2] = False
    return generator.gamma(1.0, 2.0, K), generator.gamma(1.0, 3.0, (K, K)), old, free


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_agree_with_differences(seed, known):
    generator = np.random.default_rng(seed)
    tied = _TiedStart(*problem(generator, known=known))
    point = generator.normal(size=tied.free.sum())
    value, derivative = tied.loss(point)
    np.testing.assert_allclose(value, -tied.value(tied.matrix(point)), rtol=1e-14)
    differences = approx_fprime(point, lambda p: tied.loss(p)[0], 1e-7)
    np.testing.assert_allclose(derivative, differences, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_m_step_finds_the_maximum(seed, known):
    """As a general optimiser does from several starts, without derivatives."""
    generator = np.random.default_rng(seed)
    given = problem(generator, known=known)
    new, (*_, old, free) = transition_with_starts(*given), given
    np.testing.assert_allclose(new.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(new[~free], old[~free])
    best = min(minimize(stationary_loss, generator.normal(size=free.sum()), given).fun for _ in range(3))
    with np.errstate(divide="ignore"):
        assert stationary_loss(np.log(new[free]), *given) <= best + 1e-7


def test_it_is_never_worse_than_it_was(rng):
    for _ in range(20):
        starts, pairs, old, free = problem(rng, K=4)
        starts *= 10 ** rng.uniform(-3, 3)
        tied = _TiedStart(starts, pairs, old, free)
        assert tied.value(transition_with_starts(starts, pairs, old, free)) >= tied.value(old)


def test_groups_of_states_may_lose_touch():
    """On best paths that never change state, the way between states is worth less and less."""
    old = np.array([[1 - 7.5e-25, 7.5e-25], [2.3e-15, 1 - 2.3e-15]])
    starts, pairs, free = np.array([6.7, 0.0]), np.array([[27.7, 0.0], [0.0, 2.0]]), np.ones((2, 2), dtype=bool)
    new = transition_with_starts(starts, pairs, old, free)
    np.testing.assert_allclose(new, np.eye(2), atol=1e-6)
    tied = _TiedStart(starts, pairs, old, free)
    assert tied.value(new) >= tied.value(old)


@pytest.mark.parametrize("training", ["baum-welch", "viterbi"])
def test_a_transition_that_is_never_needed_does_not_vanish(training):
    """However long training goes on: there is always one stationary distribution."""
    X = [[0, 0, 1, 0, 0, 1], [30, 29, 31, 30, 28], [0, 1, 0]]
    init = {"emission": {"rates": [[0.5], [30.0]]}}
    model = HMM(
        2, Poisson(), transitions=Ergodic(stationary=True), init=init, training=training, tol=0, max_iter=150
    ).fit(X)
    assert_never_falls(model)
    off = model.transition_[[0, 1], [1, 0]]
    assert (off > 0).all()
    assert (off < 1e-4).all()


def test_without_starts_it_is_relative_frequencies(rng):
    _, pairs, old, free = problem(rng)
    found = transition_with_starts(np.zeros(3), pairs, old, free)
    np.testing.assert_allclose(found, pairs / pairs.sum(axis=1, keepdims=True), rtol=1e-6)


# -------------------------------------------------------------------- the model


@pytest.mark.parametrize("chain", [Ergodic(stationary=True), Ergodic(1.5, None, True), Sticky(3.0, stationary=True)])
def test_sequences_start_from_the_stationary_distribution(rng, chain):
    X = sequences("Poisson", rng, lengths=(9, 1, 4, 1, 1, 6), gaps=True)
    model = HMM(3, Poisson(), transitions=chain, max_iter=8, tol=0, random_state=0)
    seen = []
    model.callbacks = [lambda model, record: seen.append((model.initial_, model.transition_, record))]
    assert_never_falls(model.fit(X))
    for initial, transition, _ in seen:
        np.testing.assert_allclose(initial, stationary_distribution(transition), rtol=1e-12)
    log_prior = chain.pseudo_counts((3, 3)) * np.log(model.transition_)
    objective = model.log_likelihood(X).sum() + log_prior.sum()
    np.testing.assert_allclose(model.history_[-1]["objective"], objective, rtol=1e-12)
    assert model.n_parameters_ == 0 + 6 + 6


def test_known_transitions_hold(rng):
    known = np.array([[np.nan, 0.2, np.nan], [np.nan] * 3, [0.0, 0.5, 0.5]])
    X = sequences("Poisson", rng, lengths=(9, 1, 4, 1, 1, 6))
    model = HMM(3, Poisson(), transitions=Ergodic(fixed=known, stationary=True), max_iter=8, tol=0, random_state=0)
    assert_never_falls(model.fit(X))
    np.testing.assert_array_equal(model.transition_[~np.isnan(known)], known[~np.isnan(known)])
    assert model.n_parameters_ == 0 + (1 + 2 + 0) + 6


def test_a_given_initial_distribution_has_to_be_the_stationary_one():
    transition = [[0.5, 0.5], [0.25, 0.75]]
    options = {"transitions": Ergodic(stationary=True), "max_iter": 0}
    right = HMM(2, init={"transition": transition, "initial": [1 / 3, 2 / 3]}, **options).fit(["abab"])
    np.testing.assert_allclose(right.initial_, [1 / 3, 2 / 3], rtol=1e-12)
    with pytest.raises(ValueError, match=r"initial is \[0.5 0.5\]; by Ergodic\(stationary=True\), \[0.33.* accepted"):
        HMM(2, init={"transition": transition, "initial": [0.5, 0.5]}, **options).fit(["abab"])
    with pytest.raises(ValueError, match=r"fixed has 'initial', which .* ties to the transitions"):
        HMM(2, fixed=("initial",), **options).fit(["abab"])
    with pytest.raises(ValueError, match="no unique stationary distribution"):
        HMM(2, init={"transition": np.eye(2)}, **options).fit(["abab"])


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("n_states", "n_parameters", "figures"),
    [(1, 1, "391.9189 785.84 788.51"), (2, 4, "342.3183 692.6365 703.3278"), (3, 9, "329.4603 676.9206 700.9760")],
)
def test_earthquakes_as_zucchini_and_macdonald_print_them(n_states, n_parameters, figures):
    model = HMM(
        n_states, Poisson(), transitions=Ergodic(stationary=True), tol=1e-12, max_iter=10_000, n_init=3, random_state=0
    ).fit([EARTHQUAKES])
    assert_never_falls(model)
    assert model.converged_
    assert model.n_parameters_ == n_parameters
    found = -model.log_likelihood([EARTHQUAKES])[0], model.aic([EARTHQUAKES]), model.bic([EARTHQUAKES])
    for value, printed in zip(found, figures.split(), strict=True):
        assert f"{value:.{len(printed) - 4}f}" == printed
    if n_states == 3:
        model.reorder("rates")
        np.testing.assert_allclose(model.emission_.rates[:, 0], [13.146, 19.721, 29.714], atol=6e-4)
        np.testing.assert_allclose(model.stationary_distribution_, [0.4436, 0.4045, 0.1519], atol=6e-5)
