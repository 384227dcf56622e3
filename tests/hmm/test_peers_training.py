"""What users of other libraries ask for, and what went wrong there, as far as training and the chain are concerned.

Wishes and faults bear the numbers of the project's list of both.
"""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Gaussian, Mixture, Multinomial, Poisson
from seqmodels.hmm import Ergodic, LeftToRight, Sticky, tables

from .cases import (
    FAMILIES,
    assert_never_falls,
    assert_same_arrays,
    assert_same_parameters,
    assert_several_tasks,
    objectives,
    sequences,
)


def series(seed=0, n=8):
    """Ragged sequences around two levels."""
    generator = np.random.default_rng(seed)
    return [generator.normal(np.repeat([0.0, 4.0], [5 + i, 3 + i % 3]), 1.0) for i in range(n)]


# -------------------------------------------------------------------- wishes


def test_wish_02_several_random_starts_the_best_one_kept():
    X, values = [x.round().astype(int).tolist() for x in series()], []
    for n_init in (1, 5):
        model = HMM(3, Categorical(0.1), n_init=n_init, max_iter=10, tol=0, random_state=1).fit(X)
        values.append(objectives(model)[-1])
    assert values[1] > values[0]


def test_wish_05_weights_of_sequences():
    X = series()
    weighted = HMM(2, random_state=0).fit(X, sample_weight=[1, 0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(weighted.score([X[0], X[3]]), HMM(2, random_state=0).fit([X[0], X[3]]).score(
        [X[0], X[3]]
    ), rtol=1e-3)  # fmt: skip
    assert weighted.score([X[0], X[3]]) > HMM(2, random_state=0).fit(X).score([X[0], X[3]])


def test_wish_08_incremental_training():
    model, X = HMM(2, Gaussian(), random_state=0), series(n=40)
    for first in range(0, 40, 5):
        assert model.partial_fit(X[first : first + 5]) is model
    np.testing.assert_allclose(np.sort(model.emission_.means[:, 0]), [0, 4], atol=0.3)
    assert model.n_iter_ == 8


def test_wish_09_supervised_and_partly_supervised_training():
    X = series()
    labels = [(np.arange(len(x)) >= 5 + i).astype(int) for i, x in enumerate(X)]
    full = HMM(2).fit(X, states=labels)
    values, states = np.concatenate(X), np.concatenate(labels)
    np.testing.assert_allclose(full.emission_.means[:, 0], [values[states == k].mean() for k in (0, 1)], rtol=1e-10)
    some = [np.where(np.arange(len(x)) % 4 == 0, own, -1) for x, own in zip(X, labels, strict=True)]
    partly = HMM(2, random_state=0).fit(X, states=some)
    np.testing.assert_allclose(partly.emission_.means, full.emission_.means, atol=0.5)


def test_wish_11_states_in_a_fixed_order():
    X = series()
    models = [HMM(2, random_state=seed, tol=1e-10, max_iter=500).fit(X).reorder("means") for seed in range(5)]
    for model in models[1:]:
        np.testing.assert_allclose(model.emission_.means, models[0].emission_.means, atol=1e-3)
        np.testing.assert_allclose(model.transition_, models[0].transition_, atol=1e-3)
    other = models[0].reorder([1, 0])
    np.testing.assert_allclose(other.align_to(models[1], X).emission_.means, models[1].emission_.means, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("covariance", ["diagonal", "full", "spherical", "tied"])
def test_wish_12_covariances_stay_positive_definite(covariance):
    """Duplicated columns, constant stretches, more states than there is data for."""
    generator = np.random.default_rng(0)
    X = [np.repeat(generator.normal(size=(4, 1)), 2, axis=1), np.ones((6, 2)), np.repeat([[1.0, 2.0]], 3, axis=0)]
    model = HMM(4, Gaussian(covariance), max_iter=30, tol=0, random_state=0).fit(X)
    assert_never_falls(model)
    model.family_.check_parameters(model.emission_)
    assert np.isfinite(model.log_likelihood(X)).all()


def test_wish_13_rows_of_transitions_never_sum_to_zero():
    """A state that is reached by the last step of a sequence only is never left."""
    init = {"transition": [[0.5, 0.5], [0.5, 0.5]], "emission": {"probabilities": [[1.0, 0.0], [0.0, 1.0]]}}
    model = HMM(2, init=init).fit(["aab", "ab"])
    np.testing.assert_allclose(model.transition_.sum(axis=1), 1, rtol=1e-14)
    assert np.isfinite(model.score(["aab"]))
    assert model.converged_


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("seed", range(5))
def test_wish_14_the_objective_does_not_fall_with_mixtures(seed):
    X = [np.column_stack([x, x[::-1]]) for x in series(seed)]
    assert_never_falls(HMM(2, Mixture(Gaussian("full"), 3), max_iter=15, tol=0, random_state=seed).fit(X))


def test_wish_15_single_transitions_and_single_parameters_can_be_held():
    X, known = series(), np.array([[0.9, np.nan], [np.nan, np.nan]])
    means = Gaussian.Parameters([[0.0], [4.0]], [[1.0], [1.0]])
    model = HMM(2, init={"emission": means}, fixed=("means",), transitions=Ergodic(fixed=known)).fit(X)
    np.testing.assert_array_equal(model.emission_.means, [[0.0], [4.0]])
    assert model.transition_[0, 0] == 0.9
    assert model.transition_[1, 0] != 0.5
    assert not np.allclose(model.emission_.covariances, 1)
    tied = HMM(2, Gaussian("tied"), random_state=0).fit([x[:, None] for x in X])
    np.testing.assert_array_equal(*tied.emission_.covariances)
    assert tied.n_parameters_ == 1 + 2 + 2 + 1


def test_wish_16_every_hyperparameter_reaches_training():
    X = series()
    changes = {
        "n_states": 3, "emission": Gaussian("spherical"), "transitions": Sticky(30.0), "init": "random", "n_init": 8,
        "max_iter": 1, "tol": 1.0, "training": "viterbi", "fixed": ("transition",), "random_state": 8,
    }  # fmt: skip
    X = [np.column_stack([x, 3 * x[::-1]]) for x in X]
    default = HMM(2, Gaussian(), init="random", random_state=3, max_iter=4, tol=0)
    fits = {}
    for name, value in changes.items():
        base = clone(default).set_params(init="kmeans") if name == "init" else clone(default)
        changed = clone(base).set_params(**{name: value})
        fits[name] = changed.fit(X).history_[-1]["train"] - base.fit(X).history_[-1]["train"]
    assert not [name for name, difference in fits.items() if difference == 0]


@pytest.mark.parametrize("family", ["Poisson", "Gaussian, full", "Categorical"])
def test_wish_17_threads_change_no_bit(monkeypatch, family):
    """Where there are several tasks: with few steps to each, whether tables or rows give likelihoods."""
    monkeypatch.setattr(tables.FewRows, "most_steps", 20)
    monkeypatch.setattr(tables, "NUMBERS_IN_A_TILE", 1)
    X = sequences(family, np.random.default_rng(0), lengths=(200, 30, 40, 5), gaps=True)
    states = [np.where(np.arange(len(x)) % 7 == 0, 1, -1) for x in X]
    options = {"max_iter": 3, "tol": 0, "random_state": 0}
    for more in ({}, {"transitions": Ergodic(stationary=True)}, {"training": "viterbi"}):
        one, two = (
            HMM(2, FAMILIES[family], n_jobs=n_jobs, **options, **more).fit(X, states=states) for n_jobs in (1, 2)
        )
        assert_same_parameters(one, two)
    one, two = (HMM(2, FAMILIES[family], n_jobs=n_jobs, random_state=0).partial_fit(X) for n_jobs in (1, 2))
    assert_same_parameters(one, two)
    assert_several_tasks(two, X)


def test_wish_18_scikit_learn_searches_validates_and_clones():
    X = series()
    labels = [np.where(np.arange(len(x)) < 4, 0, -1) for x in X]
    grid = {"transitions": [None, Sticky(5.0)], "training": ["baum-welch", "viterbi"], "fixed": [(), ("initial",)]}
    search = GridSearchCV(HMM(2, random_state=0, max_iter=3), grid, cv=2, error_score="raise")
    search.fit(X, states=labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    nested = HMM(2, transitions=Sticky(5.0), random_state=0, max_iter=3)
    search = GridSearchCV(nested, {"transitions__strength": [0.0, 100.0]}, cv=2).fit(X)
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0
    scores = cross_val_score(nested, X, cv=2, params={"states": labels})
    expected = clone(nested).fit(X[4:], states=labels[4:]).score(X[:4])
    np.testing.assert_allclose(scores[0], expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("chain", [None, LeftToRight(1), Sticky(2.0), Ergodic(stationary=True)])
def test_wish_21_sequences_of_any_length_one_included(chain):
    X = [np.array([1.0]), np.array([2.0, 5.0, 5.5]), np.array([0.5]), np.arange(40.0) % 7]
    model = HMM(3, transitions=chain, random_state=0).fit(X, states=[[-1], [0, 1, 2], [0], [-1] * 40])
    assert model.log_likelihood(X).shape == (4,)
    assert [len(path) for path in model.decode(X)] == [1, 3, 1, 40]
    flat, lengths = np.concatenate(X), [1, 3, 1, 40]
    np.testing.assert_array_equal(model.log_likelihood(flat, lengths=lengths), model.log_likelihood(X))
    model.partial_fit([np.array([3.0])])
    assert np.isfinite(model.transition_).all()


# -------------------------------------------------------------------- faults


def test_fault_03_set_params_reaches_training():
    X = series()
    model = HMM(2, random_state=0, max_iter=3, tol=0).fit(X)
    assert model.n_iter_ == 3
    assert model.set_params(max_iter=7).fit(X).n_iter_ == 7
    assert model.set_params(tol=10.0).fit(X).n_iter_ == 1
    search = GridSearchCV(HMM(2, random_state=0, init="random", tol=0), {"max_iter": [1, 10]}, cv=2).fit(X)
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0
    assert search.best_estimator_.n_iter_ == search.best_params_["max_iter"]


def test_fault_04_folds_never_cut_a_sequence():
    """Lists and Sequences are cut between sequences; one array with lengths is refused by scikit-learn's splitters."""
    X, groups = series(), [0, 0, 1, 1, 2, 2, 3, 3]
    model, folds = HMM(2, random_state=0, max_iter=3), GroupKFold(4)
    scores = cross_val_score(model, X, groups=groups, cv=folds)
    for (train, test), score in zip(folds.split(X, groups=groups), scores, strict=True):
        right = clone(model).fit([X[n] for n in train]).score([X[n] for n in test])
        np.testing.assert_allclose(score, right, rtol=1e-12)
    search = GridSearchCV(model, {"n_states": [1, 2]}, cv=2)
    assert search.fit(Sequences.wrap(X)).best_params_ == search.fit(X).best_params_
    with pytest.raises(ValueError, match="lengths add up to 99, but X has 49 observations"):
        GridSearchCV(model, {"n_states": [1]}, cv=2, error_score="raise").fit(
            np.concatenate(X)[:, None], lengths=[len(x) for x in X]
        )


def test_fault_05_fit_takes_y_and_goes_through_pipelines():
    X = series()
    labels = [np.zeros(len(x), dtype=int) for x in X]
    pipeline = make_pipeline(FunctionTransformer(lambda X: [2 * x for x in X]), HMM(2, random_state=0, max_iter=2))
    pipeline.fit(X, None, hmm__sample_weight=np.ones(8), hmm__states=labels)
    assert np.isfinite(pipeline.score(X))
    direct = HMM(2, random_state=0, max_iter=2).fit([2 * x for x in X], states=labels, sample_weight=np.ones(8))
    np.testing.assert_array_equal(pipeline[-1].transition_, direct.transition_)


def test_fault_06_a_scikit_learn_estimator():
    for model in (HMM(), HMM(transitions=LeftToRight(1), fixed=("initial",), warm_start=True)):
        assert clone(model).get_params().keys() == model.get_params().keys()
        with pytest.raises(NotFittedError):
            model.stationary_distribution_  # noqa: B018
        with pytest.raises(NotFittedError):
            model.reorder("means")
    assert HMM(2, random_state=0, max_iter=1).fit(series()).n_features_in_ == 1
    assert HMM(2, Poisson(), random_state=0).partial_fit([[[1, 2], [3, 4], [9, 9]]]).n_features_in_ == 2


@pytest.mark.parametrize("training", ["fit", "partial_fit"])
def test_fault_07_training_leaves_constructor_parameters_alone(training):
    known, init = np.array([[0.5, np.nan], [np.nan, np.nan]]), {"initial": [0.5, 0.5]}
    model = HMM(2, Categorical(0.5), transitions=Ergodic(1.5, known), init=init, random_state=3, fixed=["initial"])
    before = copy.deepcopy(model.get_params())
    getattr(model, training)(["abab", "aab"])
    after = model.get_params()
    assert repr(before) == repr(after)
    assert init == {"initial": [0.5, 0.5]}
    np.testing.assert_array_equal(known, [[0.5, np.nan], [np.nan, np.nan]])
    model.fit(["abcd"])  # a larger alphabet
    assert model.alphabet_ == tuple("abcd")
    other = HMM(2, random_state=0, max_iter=1).fit(series())
    assert other.fit([np.random.default_rng(0).normal(size=(9, 3))]).n_features_in_ == 3


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
def test_fault_08_the_seed_decides_and_nothing_else():
    X = [np.column_stack([x[:4], x[:4]]) for x in series(n=2)]  # fewer points than components
    options = {"n_init": 2, "max_iter": 3, "random_state": 5}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = HMM(3, Mixture(Gaussian("full"), 4), **options).fit(X)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert_same_parameters(first, HMM(3, Mixture(Gaussian("full"), 4), **options).fit(X))
    batches = [HMM(3, Mixture(Gaussian(), 4), random_state=5).partial_fit(X) for _ in range(2)]
    assert_same_parameters(*batches)


@pytest.mark.parametrize("seed", range(30))
def test_fault_09_what_is_monitored_is_what_is_maximised(seed):
    """Components with a standard deviation of 0.05, where a hidden prior shows; and symbols with priors of 5."""
    generator = np.random.default_rng(seed)
    X = [generator.normal(generator.integers(3, size=(30, 1)), 0.05)]
    assert_never_falls(HMM(3, max_iter=12, tol=0, random_state=seed, init="random").fit(X))
    symbols = [generator.integers(4, size=40).tolist()]
    chain = Ergodic(5.0)
    assert_never_falls(HMM(2, Categorical(4.0), transitions=chain, max_iter=12, tol=0, random_state=seed).fit(symbols))


def test_fault_11_weights_of_mixtures_are_counted_for_every_state():
    X = [np.column_stack([x, x[::-1]]) for x in series(n=30)]
    model = HMM(3, Mixture(Gaussian(), 4), max_iter=1, random_state=0).fit(X)
    assert model.n_parameters_ == 2 + 6 + 3 * (4 - 1) + 3 * 4 * (2 + 2)
    log_likelihood = model.log_likelihood(X).sum()
    np.testing.assert_allclose(model.aic(X), 2 * model.n_parameters_ - 2 * log_likelihood, rtol=1e-12)
    n_observed = sum(len(x) for x in X)
    np.testing.assert_allclose(model.bic(X), np.log(n_observed) * model.n_parameters_ - 2 * log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("training", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("labelled", [False, True])
def test_fault_12_a_state_of_the_last_step_only(training, labelled):
    init = {"emission": {"probabilities": [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]}}
    model = HMM(3, init=init, training=training, random_state=0)
    model.fit(["abbac", "baabc"], states=[[0, 1, 1, 0, 2]] * 2 if labelled else None)
    np.testing.assert_allclose(model.transition_.sum(axis=1), 1, rtol=1e-14)
    assert np.isfinite(model.score(["abbac"]))
    assert np.isfinite(HMM(2, random_state=0).partial_fit(["abbac"]).transition_).all()


def test_fault_13_missing_values_train_and_wrong_ones_are_named():
    X = [np.array([1.0, np.nan, 3.0, 9.0, np.nan, 8.0])]
    for family in (Poisson(), Gaussian()):
        for training in ("baum-welch", "viterbi"):
            model = HMM(2, family, training=training, max_iter=3, random_state=0).fit(X, states=[[0, 0, -1, 1, 1, -1]])
            assert all(np.isfinite(array).all() for array in (model.transition_, *model.emission_))
        assert np.isfinite(HMM(2, family, random_state=0).partial_fit(X).transition_).all()
    for training in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=r"X\[0\], position 1 is 0.5; counts"):
            getattr(HMM(2, Poisson()), training)([[1.0, 0.5]])


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
def test_fault_14_parameters_can_be_handed_from_one_model_to_another(family):
    X = sequences(family, np.random.default_rng(0))
    one, other = (HMM(2, FAMILIES[family], max_iter=n, random_state=n).fit(X) for n in (3, 1))
    other.initial_, other.transition_, other.emission_ = one.initial_, one.transition_, one.emission_
    np.testing.assert_array_equal(other.log_likelihood(X), one.log_likelihood(X))
    assert other.n_parameters_ == one.n_parameters_
    other.set_params(warm_start=True, max_iter=2).fit(X)
    assert objectives(other)[0] == pytest.approx(objectives(one)[-1], rel=1e-12)
    again = HMM(2, FAMILIES[family], init={"emission": one.emission_}, max_iter=0, random_state=0).fit(X)
    assert_same_arrays(again.emission_, one.emission_)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
def test_fault_15_every_model_is_told_apart_and_one_row_is_enough():
    models = [
        HMM(2, family, transitions=chain, training=training, random_state=0).fit([[3.0]])
        for family in (Poisson(), Gaussian(), Categorical(0.5), Multinomial(0.5), Mixture(Poisson(), 2))
        for chain in (None, Sticky(1.0, 1.5), Ergodic(stationary=True))
        for training in ("baum-welch", "viterbi")
    ]
    for model in models:
        assert np.isfinite([model.aic([[3.0]]), model.bic([[3.0]])]).all()
        np.testing.assert_allclose(model.stationary_distribution_.sum(), 1, rtol=1e-12)
        assert np.isfinite(model.expected_durations_).all()
