"""Models in scikit-learn's hands: ragged data go through its tools as a list, one sequence a sample."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from seqmodels import Sequences
from seqmodels.baselines import Independent, MarkovChain
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Mixture, Poisson
from seqmodels.hmm import HMM
from seqmodels.rnn import GRU, RNN


def vectors():
    rng = np.random.default_rng(1)
    return [rng.normal(n % 3, 1.0 + n % 2, (length, 2)) for n, length in enumerate([5, 9, 3, 12, 7, 4, 8, 6])]


def counts():
    return [np.round(np.exp(x[:, 0])).clip(0, 50) for x in vectors()]


def bits():
    return [(x > 0.5).astype(int) for x in vectors()]


def texts():
    return ["abracadabra", "cadabra", "barb", "crab", "abba", "cab", "arcade", "bra"]


# model, data, and a grid with at least two candidates
MODELS = {
    "independent": (Independent(Gaussian()), vectors, {"emission__covariance": ["diagonal", "full"]}),
    "independent counts": (Independent(Poisson()), counts, {"emission": [Poisson(), Gaussian()]}),
    "independent bits": (Independent(Bernoulli()), bits, {"emission__pseudo_count": [0.1, 1.0, 10.0]}),
    "independent mixture": (
        Independent(Mixture(Gaussian(), 2)),
        vectors,
        {"emission__n": [1, 2], "emission__emission__covariance": ["spherical", "diagonal"]},
    ),
    "independent symbols": (Independent(Categorical(0.5)), texts, {"emission__pseudo_count": [0.5, 2.0]}),
    "markov chain": (MarkovChain(2), texts, {"order": [1, 2, 3]}),
    "hmm": (
        HMM(2, Gaussian(), max_iter=5, random_state=0),
        vectors,
        {"n_states": [1, 2], "emission__covariance": ["diagonal", "spherical"]},
    ),
    "hmm symbols": (HMM(2, Categorical(0.5), max_iter=5, random_state=0), texts, {"n_states": [1, 2]}),
    "rnn": (RNN(GRU(3), Gaussian(), max_epochs=2, random_state=0), vectors, {"cell__n_hidden": [2, 3]}),
    "rnn symbols": (RNN(GRU(3), max_epochs=2, random_state=0), texts, {"cell__n_hidden": [2, 3]}),
}
each_model = pytest.mark.parametrize(("model", "data", "grid"), MODELS.values(), ids=MODELS)
FOLDS = KFold(4)


def by_hand(model, X, folds=FOLDS):
    """Scores of clones on lists, without scikit-learn's way of indexing."""
    return [
        clone(model).fit([X[n] for n in train]).score([X[n] for n in test])
        for train, test in folds.split(np.zeros(len(X)))
    ]


@each_model
def test_clones_are_unfitted_and_equal_in_their_parameters(model, data, grid):
    fitted = clone(model).fit(data())
    copy = clone(fitted)
    assert repr(copy) == repr(model)
    with pytest.raises(NotFittedError):
        copy.score(data())
    for name, values in grid.items():
        assert name in model.get_params()
        copy.set_params(**{name: values[-1]})
        assert copy.get_params()[name] is values[-1]
    assert repr(model) == repr(clone(fitted))  # nothing was shared


@each_model
def test_fault_07_fit_returns_the_model_and_leaves_its_parameters_alone(model, data, grid):
    model = clone(model)
    before = repr(model.get_params())
    assert model.fit(data()) is model
    assert repr(model.get_params()) == before
    assert model.n_features_in_ == Sequences.wrap(data()).n_features


@each_model
def test_cross_validation_of_a_list_of_ragged_sequences(model, data, grid):
    X = data()
    np.testing.assert_allclose(cross_val_score(model, X, cv=FOLDS), by_hand(model, X), rtol=1e-10)


@each_model
def test_fault_04_cross_validation_of_wrapped_sequences(model, data, grid):
    X = Sequences.wrap(data())
    folds = [(X[train], X[test]) for train, test in FOLDS.split(np.zeros(len(X)))]
    expected = [clone(model).fit(train).score(test) for train, test in folds]
    np.testing.assert_allclose(cross_val_score(model, X, cv=FOLDS), expected, rtol=1e-10)


@each_model
def test_wish_18_grid_search(model, data, grid):
    X = data()
    search = GridSearchCV(model, grid, cv=FOLDS, error_score="raise").fit(X)
    means = [np.mean(by_hand(clone(model).set_params(**c), X)) for c in search.cv_results_["params"]]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], means, rtol=1e-10)
    assert len(means) >= 2
    assert search.best_params_ == search.cv_results_["params"][int(np.argmax(means))]
    assert search.score(X) == search.best_estimator_.score(X)


@each_model
def test_fault_05_pipeline(model, data, grid):
    X = data()
    backwards = FunctionTransformer(lambda X: [x[::-1] for x in X])
    pipeline = Pipeline([("backwards", backwards), ("model", clone(model))]).fit(X)
    alone = clone(model).fit([x[::-1] for x in X])
    assert pipeline.score(X) == pytest.approx(alone.score([x[::-1] for x in X]))
    search = GridSearchCV(pipeline, {f"model__{name}": values for name, values in grid.items()}, cv=2).fit(X)
    assert np.isfinite(search.best_score_)


@each_model
def test_pickled_models_score_the_same(model, data, grid):
    fitted = clone(model).fit(data())
    again = pickle.loads(pickle.dumps(fitted))
    assert again.score(data()) == fitted.score(data())
    assert again.sample(1, 5, random_state=0)[0].__class__ is fitted.sample(1, 5, random_state=0)[0].__class__


@each_model
def test_weights_are_cut_into_folds_with_the_sequences(model, data, grid):
    X = data()
    weights = np.arange(1.0, len(X) + 1)
    scores = cross_val_score(model, X, cv=FOLDS, params={"sample_weight": weights})
    expected = [
        clone(model).fit([X[n] for n in train], sample_weight=weights[train]).score([X[n] for n in test])
        for train, test in FOLDS.split(np.zeros(len(X)))
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-10)


def test_every_fold_keeps_the_alphabet_of_all_data():
    X = Sequences.wrap(["aab", "aba", "abz", "baa"])
    model = Independent()
    scores = cross_val_score(model, X, cv=4)
    assert model.fit(X[[0, 1, 3]]).alphabet_ == ("a", "b", "z")
    z_counted_as_known = (np.log(6.5) + np.log(3.5) + np.log(0.5) - 3 * np.log(9 + 4 * 0.5)) / 3
    assert scores[2] == pytest.approx(z_counted_as_known)
