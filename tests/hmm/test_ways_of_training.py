"""Training on best paths, training that goes on, and training that leaves some parameters as they are."""

import numpy as np
import pytest
from scipy.special import xlogy

from seqmodels import HMM
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.hmm import Ergodic, LeftToRight

from .cases import FAMILIES, assert_never_falls, objectives, sequences
from .test_training import START

# -------------------------------------------------------------------- training on best paths


def test_viterbi_training_by_hand():
    """One step: best paths under the start, relative frequencies along them."""
    X, weights = [[1, 9, 2, 8, 8], [7], [0, 1]], np.array([1.0, 0.5, 2.0])
    init = {"initial": [0.5, 0.5], "transition": [[0.6, 0.4], [0.5, 0.5]], "emission": {"rates": [[2.0], [8.0]]}}
    model = HMM(2, Poisson(), init=init, training="viterbi", max_iter=1, tol=0).fit(X, sample_weight=weights)
    np.testing.assert_allclose(model.initial_, np.array([3, 0.5]) / 3.5, rtol=1e-14)
    np.testing.assert_allclose(model.transition_, [[2 / 4, 2 / 4], [1 / 2, 1 / 2]], rtol=1e-14)
    np.testing.assert_allclose(model.emission_.rates[:, 0], [(1 + 2 + 2) / 6, (9 + 8 + 8 + 3.5) / 3.5], rtol=1e-14)
    start = HMM(2, Poisson(), init=init, max_iter=0).fit(X)
    logs = [
        np.log(start.initial_[path[0]])
        + xlogy(1, start.transition_[path[:-1], path[1:]]).sum()
        + start.family_.log_density(np.array(x)[:, None] * 1.0, Poisson.Parameters(start.emission_.rates[path])).sum()
        for x, path in zip(X, start.decode(X), strict=True)
    ]
    np.testing.assert_allclose(model.history_[0]["objective"], weights @ logs, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prior", [1.0, 2.0])
def test_viterbi_training_never_loses(family, prior):
    X = sequences(family, np.random.default_rng(2), gaps=True)
    model = HMM(
        2, FAMILIES[family], training="viterbi", transitions=Ergodic(prior), max_iter=10, tol=0, random_state=0
    ).fit(X)
    assert_never_falls(model)


def test_the_training_is_one_of_two():
    with pytest.raises(ValueError, match="training is 'soft'; 'baum-welch' and 'viterbi' are accepted"):
        HMM(training="soft").fit(["ab"])


def test_a_start_that_rules_the_data_out_is_refused():
    init = {"emission": {"probabilities": [[1.0, 0.0], [1.0, 0.0]]}}
    with pytest.raises(ValueError, match=r"X\[1\] has probability zero"):
        HMM(2, init=init, training="viterbi").fit(["aa", "ab", "bb"])
    model = HMM(2, init=init, training="viterbi", max_iter=2).fit(["aa", "ab"], sample_weight=[1.0, 0.0])
    np.testing.assert_allclose(model.emission_.probabilities, [[1, 0], [1, 0]])


# -------------------------------------------------------------------- going on, and holding still


def test_a_warm_start_goes_on(rng):
    X = sequences("Poisson", rng, gaps=True)
    once = HMM(2, Poisson(), init=START, max_iter=6, tol=0).fit(X)
    twice = HMM(2, Poisson(), init=START, max_iter=2, tol=0, warm_start=True).fit(X)
    twice.set_params(max_iter=4).fit(X)
    np.testing.assert_allclose(twice.transition_, once.transition_, rtol=1e-10)
    np.testing.assert_allclose(twice.emission_.rates, once.emission_.rates, rtol=1e-10)
    assert twice.n_iter_ == 4
    cold = HMM(2, Poisson(), init=START, max_iter=2, tol=0).fit(X).fit(X)
    np.testing.assert_array_equal(cold.transition_, HMM(2, Poisson(), init=START, max_iter=2, tol=0).fit(X).transition_)


def test_a_warm_start_keeps_the_codes_of_symbols():
    model = HMM(2, Categorical(0.5), warm_start=True, max_iter=0, random_state=0).fit(["abc"])
    before = model.emission_.probabilities
    model.fit(["cbx"])
    assert model.alphabet_ == ("a", "b", "c")
    np.testing.assert_array_equal(model.emission_.probabilities, before)


def test_a_warm_start_from_given_and_from_assigned_parameters():
    model = HMM.from_parameters([1, 0], [[0.5, 0.5], [0.5, 0.5]], {"rates": [[1.0], [9.0]]}, Poisson())
    model.set_params(warm_start=True, max_iter=0).fit([[1, 2]])
    np.testing.assert_array_equal(model.emission_.rates, [[1.0], [9.0]])
    model.transition_ = [[0.5, 0.6], [0.5, 0.5]]
    with pytest.raises(ValueError, match=r"transition\[0\] is .*; probabilities that sum to 1"):
        model.fit([[1, 2]])
    model.transition_ = np.eye(2)
    with pytest.raises(ValueError, match=r"initial has shape \(2,\); 3 states take \(3,\)"):
        model.set_params(n_states=3).fit([[1, 2]])
    with pytest.raises(TypeError, match="emission is PoissonParameters"):
        model.set_params(n_states=2, emission=Gaussian()).fit([[1, 2]])
    model.set_params(emission=Poisson())
    model.emission_ = Poisson.Parameters([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(ValueError, match=r"emission_ has an array of shape \(2, 2\); for these data \(2, 1\)"):
        model.fit([[1, 2]])
    ordered = HMM.from_parameters([0, 1], [[0.5, 0.5], [0, 1]], {"rates": [[1.0], [9.0]]}, Poisson())
    ordered.set_params(warm_start=True, max_iter=0, transitions=LeftToRight()).fit([[1, 2]])
    np.testing.assert_array_equal(ordered.initial_, [1, 0])
    with pytest.raises(ValueError, match="warm_start is 'yes'; True and False"):
        model.set_params(warm_start="yes").fit([[1, 2]])


def by_name(model):
    """Parameters, those of a mixture's components among them."""
    emission = model.emission_._asdict()
    components = emission.pop("components", None)
    chain = {"initial": model.initial_, "transition": model.transition_}
    return chain | emission | (components._asdict() if components else {})


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("training", ["baum-welch", "viterbi"])
@pytest.mark.parametrize(
    ("family", "fixed"),
    [
        ("Poisson", ("transition",)),
        ("Poisson", ("initial", "emission")),
        ("Categorical", ("probabilities",)),
        ("Gaussian, diagonal", ("means",)),
        ("Gaussian, diagonal", ("covariances", "initial")),
        ("Gaussian, full", ("means",)),
        ("Gaussian, full", ("covariances",)),
        ("Gaussian, tied", ("means", "transition")),
        ("Gaussian, spherical", ("means",)),
        ("mixture of Gaussians", ("means",)),
        ("mixture of Gaussians", ("weights", "covariances")),
        ("mixture of counts", ("components",)),
        ("mixture of symbols", ("probabilities",)),
    ],
)
def test_fixed_parameters_stay_and_the_others_are_the_better_for_it(family, fixed, training):
    X = sequences(family, np.random.default_rng(1), (12, 1, 9, 5, 3), gaps=True)
    options = {"training": training, "init": "random", "random_state": 0, "tol": 0}
    start = HMM(2, FAMILIES[family], max_iter=0, **options).fit(X)
    model = HMM(2, FAMILIES[family], max_iter=6, fixed=fixed, **options).fit(X)
    assert_never_falls(model)
    assert objectives(model)[-1] > objectives(model)[0]
    held = {"rates" if name in ("emission", "components") else name for name in fixed}  # which those of counts are
    before, after = by_name(start), by_name(model)
    for name in before:
        assert np.array_equal(before[name], after[name]) == (name in held)


@pytest.mark.parametrize(
    ("fixed", "error", "message"),
    [
        ("transition", TypeError, "fixed is 'transition'; a tuple of names among 'initial', 'transition', 'emission'"),
        (None, TypeError, "fixed is None; a tuple of names"),
        (("transitions",), ValueError, "fixed has 'transitions'; .*'rates' are accepted with Poisson"),
        (("t", "e"), ValueError, "fixed has 't'; 'initial', 'transition', 'emission', 'rates' are accepted"),
        ((3,), ValueError, "fixed has 3;"),
    ],
)
def test_fixed_names_are_checked(fixed, error, message):
    with pytest.raises(error, match=message):
        HMM(2, Poisson(), fixed=fixed).fit([[1, 2]])
