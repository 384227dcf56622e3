"""The model: beliefs, decoding, prediction, sampling, and what scikit-learn does with it."""

import itertools

import numpy as np
import pytest
from reference import chain_by_logarithms
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from seqmodels import HMM, Sequences
from seqmodels.base import SequenceModel
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Mixture, Poisson

from .cases import FAMILIES, sequences

INITIAL = np.array([0.6, 0.3, 0.1])
TRANSITION = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.0, 0.7]])
RATES = np.array([[1.0], [5.0], [20.0]])
PROBABILITIES = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.1, 0.4, 0.4], [0.25, 0.25, 0.25, 0.25]])

every_family = pytest.mark.parametrize("family", FAMILIES)


def counts_model(**options):
    return HMM.from_parameters(INITIAL, TRANSITION, Poisson.Parameters(RATES), Poisson(), **options)


def symbols_model(alphabet="abcd"):
    return HMM.from_parameters(INITIAL, TRANSITION, {"probabilities": PROBABILITIES}, Categorical(), alphabet)


def fitted(family, gaps=True):
    """A model after a few steps, and its data."""
    X = sequences(family, np.random.default_rng(0), gaps=gaps)
    return HMM(2, FAMILIES[family], max_iter=3, random_state=0).fit(X), X


# -------------------------------------------------------------------- likelihood


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@every_family
@pytest.mark.parametrize("gaps", [False, True])
def test_fast_terms_and_beliefs_equal_the_generic_recursion(family, gaps):
    model, X = fitted(family, gaps)
    data = model._known(X)
    np.testing.assert_allclose(model._terms(data), SequenceModel._terms(model, data), rtol=1e-10, atol=1e-10)
    beliefs = SequenceModel._beliefs_after(model, data)
    np.testing.assert_allclose(model._beliefs_after(data), beliefs, rtol=1e-10, atol=1e-12)


def test_terms_of_counts_by_hand():
    X = [[0, 3, 25, 2], [7]]
    for x, terms in zip(X, counts_model().log_likelihoods(X), strict=True):
        densities = stats.poisson.logpmf(np.array(x)[:, None], RATES[:, 0])
        np.testing.assert_allclose(terms, chain_by_logarithms(INITIAL, TRANSITION, densities).terms, rtol=1e-12)


def test_an_outlier_at_forty_standard_deviations():
    """Its log density is -800 in the nearer state, and worse in the others."""
    means, deviations = np.array([0.0, 3.0, 6.0]), np.array([1.0, 0.5, 1.0])
    for transition in (TRANSITION, np.eye(3), np.triu(np.ones((3, 3))) / [[3], [2], [1]]):
        parameters = Gaussian.Parameters(means[:, None], deviations[:, None] ** 2)
        model = HMM.from_parameters(INITIAL, transition, parameters, Gaussian())
        for outlier in (40.0, -40.0, 46.0):
            x = np.array([0.1, -0.3, 0.2, outlier, 0.1, 6.1, 5.8, 6.0, 0.4])
            densities = stats.norm.logpdf(x[:, None], means, deviations)
            truth = chain_by_logarithms(INITIAL, transition, densities)
            np.testing.assert_allclose(model.log_likelihoods([x])[0], truth.terms, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(model.filter([x])[0], truth.filters, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(model.posterior([x])[0], truth.posteriors, rtol=1e-12, atol=1e-12)


def test_a_missing_symbol_is_the_sum_over_all_symbols():
    model, total = symbols_model(), 0.0
    for first, second in itertools.product("abcd", repeat=2):
        total += np.exp(model.log_likelihood([["a", first, "d", second, "b"]])[0])
    np.testing.assert_allclose(model.log_likelihood([["a", None, "d", None, "b"]]), [np.log(total)], rtol=1e-12)
    terms = model.log_likelihoods([["a", None, "d", None, "b"]])[0]
    np.testing.assert_allclose(terms[[1, 3]], 0, atol=1e-15)


def test_scores_count_observed_steps_only():
    model = symbols_model()
    np.testing.assert_allclose(model.score([["a", None, "b"]]), model.log_likelihood([["a", None, "b"]])[0] / 2)


def test_an_impossible_symbol():
    """Its term is -inf; the terms after it go on as if it were missing."""
    model = HMM.from_parameters([1.0, 0.0], np.eye(2), {"probabilities": [[0.5, 0.5, 0], [0, 0, 1]]}, Categorical())
    X = [[0, 2, 1, 1]]
    terms = model.log_likelihoods(X)[0]
    np.testing.assert_allclose(terms, [np.log(0.5), -np.inf, np.log(0.5), np.log(0.5)])
    assert model.log_likelihood(X)[0] == model.score(X) == -np.inf
    data = model._known(X)
    np.testing.assert_allclose(SequenceModel._terms(model, data), terms, rtol=1e-12)
    np.testing.assert_allclose(SequenceModel._beliefs_after(model, data), model._beliefs_after(data))
    assert not np.isnan(np.concatenate([*model.posterior(X), *model.filter(X)])).any()


@pytest.mark.parametrize("seed", range(3))
def test_information_criteria(seed):
    model, X = fitted("Gaussian, full")
    log_likelihood, n_observed = model.log_likelihood(X).sum(), sum((~np.isnan(x).all(axis=1)).sum() for x in X)
    assert model.n_parameters_ == 1 + 2 + 2 * (2 + 3)
    np.testing.assert_allclose(model.aic(X), 2 * model.n_parameters_ - 2 * log_likelihood)
    np.testing.assert_allclose(model.bic(X), np.log(n_observed) * model.n_parameters_ - 2 * log_likelihood)


def test_parameters_are_counted_where_they_are_free():
    assert counts_model().n_parameters_ == 2 + (2 + 2 + 1) + 3
    assert symbols_model().n_parameters_ == 2 + 5 + 3 * 3
    assert fitted("Gaussian, tied")[0].n_parameters_ == 1 + 2 + 2 * 2 + 3
    assert fitted("mixture of counts")[0].n_parameters_ == 1 + 2 + 2 * (1 + 2 * 2)


# -------------------------------------------------------------------- states


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@every_family
def test_posteriors_and_filters_are_distributions(family):
    model, X = fitted(family)
    for method in (model.posterior, model.filter):
        found = method(X)
        assert [array.shape for array in found] == [(len(x), 2) for x in X]
        np.testing.assert_allclose(np.concatenate(found).sum(axis=1), 1, rtol=1e-12)
    for posterior, filtered in zip(model.posterior(X), model.filter(X), strict=True):
        np.testing.assert_allclose(posterior[-1], filtered[-1], rtol=1e-10, atol=1e-12)


def test_decoding_by_hand():
    """Two sticky states, and one odd observation that only the most probable state each step gives in to."""
    emission = {"probabilities": [[0.95, 0.05], [0.05, 0.95]]}
    model = HMM.from_parameters([0.5, 0.5], [[0.94, 0.06], [0.06, 0.94]], emission, Categorical())
    X = [[0, 0, 0, 1, 0, 0, 0], [1, 1]]
    np.testing.assert_array_equal(model.decode(X)[0], np.zeros(7))
    np.testing.assert_array_equal(model.decode(X)[1], [1, 1])
    for states, posterior in zip(model.decode(X, method="posterior"), model.posterior(X), strict=True):
        np.testing.assert_array_equal(states, posterior.argmax(axis=1))
    with pytest.raises(ValueError, match="method is 'best'; 'viterbi' and 'posterior' are accepted"):
        model.decode(X, method="best")


def test_decoding_recovers_separate_states(rng):
    model = HMM.from_parameters(INITIAL, TRANSITION, Poisson.Parameters(RATES * 100), Poisson())
    X, states = model.sample(3, 40, return_states=True, random_state=0)
    for method in ("viterbi", "posterior"):
        for found, truth in zip(model.decode(X, method), states, strict=True):
            np.testing.assert_array_equal(found, truth)
            assert found.dtype.kind == "i"


# -------------------------------------------------------------------- prediction


def test_the_next_observation_is_a_mixture_over_states():
    model, X = counts_model(), [[0, 3, 25], [7]]
    weights = np.array([filtered[-1] for filtered in model.filter(X)]) @ TRANSITION
    following = model.predict_next(X)
    np.testing.assert_allclose(following.weights, weights, rtol=1e-12)
    np.testing.assert_allclose(following.mean(), weights @ RATES[:, 0], rtol=1e-12)
    expected = np.log((weights * stats.poisson.pmf(4, RATES[:, 0])).sum(axis=1))
    np.testing.assert_allclose(following.log_density([4, 4]), expected, rtol=1e-12)


def test_a_forecast_of_numbers_is_the_mean_under_powers_of_the_chain():
    model, X = counts_model(), [[0, 3, 25], [7]]
    for forecast, filtered in zip(model.predict(X, n_steps=4), model.filter(X), strict=True):
        powers = [filtered[-1] @ np.linalg.matrix_power(TRANSITION, h) @ RATES[:, 0] for h in (1, 2, 3, 4)]
        np.testing.assert_allclose(forecast, powers, rtol=1e-12)


def test_a_forecast_equals_the_mean_of_many_samples():
    model = counts_model()
    paths = np.array(model.sample(2000, 3, prefix=[0, 3, 25], random_state=0))
    (forecast,) = model.predict([[0, 3, 25]], n_steps=3)
    assert (np.abs(paths.mean(axis=0) - forecast) < 4 * paths.std(axis=0) / np.sqrt(2000)).all()


def test_a_forecast_of_symbols_is_the_most_probable_one_at_each_step():
    model, X = symbols_model(), [list("aad"), list("d")]
    for forecast, filtered in zip(model.predict(X, n_steps=3), model.filter(X), strict=True):
        ahead = [filtered[-1] @ np.linalg.matrix_power(TRANSITION, h) @ PROBABILITIES for h in (1, 2, 3)]
        assert list(forecast) == ["abcd"[p.argmax()] for p in ahead]


def test_a_forecast_far_ahead_is_the_stationary_mean():
    stationary = np.linalg.matrix_power(TRANSITION, 200)[0]
    (forecast,) = counts_model().predict([[3]], n_steps=100)
    np.testing.assert_allclose(forecast[-1], stationary @ RATES[:, 0], rtol=1e-10)


@pytest.mark.parametrize("n_steps", [0, -1])
def test_at_least_one_step_is_forecast(n_steps):
    with pytest.raises(ValueError, match=f"n_steps is {n_steps}"):
        counts_model().predict([[1]], n_steps=n_steps)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@every_family
def test_a_stream_gives_the_same_terms(family):
    model, X = fitted(family)
    stream = model.stream()
    np.testing.assert_allclose([stream.update(x) for x in X[0]], model.log_likelihoods(X)[0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(stream.predictive.weights, model.predict_next(X[:1]).weights, rtol=1e-10, atol=1e-12)


# -------------------------------------------------------------------- sampling


def test_sampled_states_and_observations_follow_the_parameters():
    model = symbols_model()
    X, states = model.sample(400, 12, return_states=True, random_state=1)
    symbols = np.array([["abcd".index(symbol) for symbol in x] for x in X])
    states = np.array(states)
    assert states.shape == (400, 12)
    first = np.bincount(states[:, 0], minlength=3)
    np.testing.assert_allclose(first / 400, INITIAL, atol=4 * np.sqrt(0.25 / 400))
    for state in range(3):
        following = states[:, 1:][states[:, :-1] == state]
        frequencies = np.bincount(following, minlength=3) / len(following)
        np.testing.assert_allclose(frequencies, TRANSITION[state], atol=4 * np.sqrt(0.25 / len(following)))
        emitted = symbols[states == state]
        frequencies = np.bincount(emitted, minlength=4) / len(emitted)
        np.testing.assert_allclose(frequencies, PROBABILITIES[state], atol=4 * np.sqrt(0.25 / len(emitted)))
    assert not ((states[:, :-1] == 2) & (states[:, 1:] == 1)).any()
    assert not ((states == 0) & (symbols == 3)).any()


@pytest.mark.parametrize("return_states", [False, True])
def test_a_prefix_is_the_past_of_all_samples(return_states):
    """Its observations come from the last state, which is never left."""
    emission = {"probabilities": [[1.0, 0.0], [0.0, 1.0]]}
    model = HMM.from_parameters([0.5, 0.5], [[0.5, 0.5], [0.0, 1.0]], emission, Categorical(), "ab")
    found = model.sample(20, 4, prefix="aab", return_states=return_states, random_state=0)
    X = found[0] if return_states else found
    assert all(list(x) == list("bbbb") for x in X)
    if return_states:
        assert all((states == 1).all() for states in found[1])


def test_states_of_samples_after_an_impossible_prefix_are_refused():
    emission = {"probabilities": [[1.0, 0.0], [1.0, 0.0]]}
    model = HMM.from_parameters([0.5, 0.5], np.full((2, 2), 0.5), emission, Categorical(), "ab")
    assert list(model.sample(1, 3, prefix="ab", random_state=0)[0]) == list("aaa")
    with pytest.raises(ValueError, match="prefix has probability zero under the model; it has no path to draw"):
        model.sample(1, 3, prefix="ab", return_states=True, random_state=0)


@pytest.mark.parametrize(
    "cut", [{"temperature": 1e-3}, {"top_k": 1}, {"top_p": 0.3}], ids=["temperature", "top_k", "top_p"]
)
def test_samples_of_symbols_can_be_sharpened(cut):
    """Given the symbols before, whether states are asked for or not."""
    model = symbols_model()
    X, _ = model.sample(5, 6, return_states=True, random_state=0, **cut)
    for x in [*X, *model.sample(5, 6, random_state=0, **cut)]:
        for t in range(6):
            past = model.predict_next([list(x[:t])]) if t else model.predictive(model.start(1))
            assert x[t] == "abcd"[past.probabilities()[0].argmax()]


def test_cuts_are_for_symbols():
    with pytest.raises(TypeError, match="are not symbols"):
        counts_model().sample(1, 3, temperature=0.5)


@pytest.mark.parametrize("return_states", [False, True])
def test_samples_of_real_numbers_are_not_rounded(return_states):
    model = HMM(2, Gaussian(), max_iter=2, random_state=0).fit([[1, 5, 2, 9, 3, 4, 8]])
    found = model.sample(2, 5, return_states=return_states, random_state=0)
    for x in found[0] if return_states else found:
        assert (x != np.round(x)).all()


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@every_family
def test_states_go_with_samples_of_every_family(family):
    model, X = fitted(family)
    samples, states = model.sample(3, 4, return_states=True, random_state=0)
    assert [np.shape(x) for x in samples] == [(4, *np.shape(X[0])[1:])] * 3
    assert [path.shape for path in states] == [(4,)] * 3
    assert np.isfinite(model.log_likelihood(samples)).all()
    np.testing.assert_array_equal(model.sample(3, 4, random_state=0), samples)


# -------------------------------------------------------------------- without a fit


def test_a_model_from_parameters_does_all_that_a_fitted_one_does():
    model = counts_model()
    assert model.n_states == 3
    assert model.family_ is model.emission
    assert model.n_features_in_ == 1
    assert model.alphabet_ is None
    X = model.sample(3, 8, random_state=0)
    assert model.score(X) == pytest.approx(np.concatenate(model.log_likelihoods(X)).mean())
    again = clone(model).fit(X)
    assert again.n_states == 3
    assert again.family_.get_params() == Poisson().get_params()


@pytest.mark.parametrize(
    ("emission", "parameters"),
    [
        (Bernoulli(), {"probabilities": [[0.2, 0.7], [0.5, 0.5]]}),
        (Gaussian("full"), {"means": np.zeros((2, 2)), "covariances": np.stack([np.eye(2), 2 * np.eye(2)])}),
        (Gaussian("spherical"), {"means": np.zeros((2, 2)), "covariances": [1.0, 4.0]}),
        (
            Mixture(Gaussian(), 2),
            {
                "weights": np.full((2, 2), 0.5),
                "components": Gaussian.Parameters(np.zeros((2, 2, 2)), np.ones((2, 2, 2))),
            },
        ),
    ],
    ids=lambda value: repr(value) if not isinstance(value, dict) else "",
)
def test_models_of_several_columns_from_parameters(emission, parameters):
    model = HMM.from_parameters([0.5, 0.5], np.eye(2), parameters, emission)
    assert model.n_features_in_ == 2
    X = model.sample(2, 5, random_state=0)
    assert X[0].shape == (5, 2)
    assert np.isfinite(model.log_likelihood(X)).all()
    with pytest.raises(ValueError, match="X has 3 columns"):
        model.log_likelihood([np.zeros((2, 3))])


def test_the_alphabet_of_a_model_from_parameters():
    assert symbols_model(alphabet=None).alphabet_ == (0, 1, 2, 3)
    model = symbols_model(["the", "a", "cat", "mat"])
    assert model.alphabet_ == ("the", "a", "cat", "mat")
    np.testing.assert_allclose(
        model.log_likelihood([["the", "cat"]]), symbols_model().log_likelihood([["a", "c"]]), rtol=1e-15
    )
    assert model.log_likelihood([["dog"]])[0] == -np.inf
    with_unknown = HMM.from_parameters(INITIAL, TRANSITION, {"probabilities": PROBABILITIES}, Categorical(0.5), "abc")
    unknown = INITIAL @ PROBABILITIES[:, 3]
    np.testing.assert_allclose(with_unknown.log_likelihood([["z"]]), [np.log(unknown)], rtol=1e-12)


@pytest.mark.parametrize("alphabet", ["ab", "abcde", "aabc"])
def test_an_alphabet_that_does_not_fit_is_refused(alphabet):
    with pytest.raises(ValueError, match="alphabet has"):
        symbols_model(alphabet)


def test_only_an_emission_is_taken():
    with pytest.raises(TypeError, match=r"emission is 'poisson'; an emission such as"):
        HMM.from_parameters(INITIAL, TRANSITION, {"rates": RATES}, "poisson")


def test_parameters_may_be_assigned():
    model, other = counts_model(), HMM.from_parameters([1.0], [[1.0]], Poisson.Parameters([[3.0]]), Poisson())
    model.initial_, model.transition_ = [1.0, 0.0, 0.0], [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]
    model.emission_ = Poisson.Parameters(np.array([[3.0], [5.0], [7.0]]))
    X = [[1, 2, 3]]
    np.testing.assert_allclose(model.log_likelihood(X), other.log_likelihood(X), rtol=1e-12)
    np.testing.assert_allclose(model.predict_next(X).mean(), [3.0])
    samples, states = model.sample(2, 5, random_state=0, return_states=True)
    assert [len(x) for x in samples] == [5, 5]
    assert not np.any(states)


# -------------------------------------------------------------------- hyperparameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_states": 0}, "n_states is 0; integers from 1"),
        ({"n_states": 2.0}, "n_states is 2.0; integers from 1"),
        ({"n_init": 0}, "n_init is 0; integers from 1"),
        ({"max_iter": -1}, "max_iter is -1; integers from 0"),
        ({"n_jobs": 0}, "n_jobs is 0; None and integers but 0"),
        ({"n_jobs": 1.5}, "n_jobs is 1.5; None and integers but 0"),
        ({"memory": "none"}, "memory is 'none'; 'fast' and 'low'"),
        ({"tol": -1e-3}, "tol is -0.001; numbers from 0"),
        ({"tol": np.nan}, "tol is nan; numbers from 0"),
        ({"tol": None}, "tol is None; numbers from 0"),
        ({"init": "k-means"}, "init is 'k-means'; 'kmeans', 'random' or a dict"),
        ({"init": None}, "init is None; 'kmeans', 'random' or a dict"),
    ],
)
def test_hyperparameters_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        HMM(**options).fit(["abab"])


@pytest.mark.parametrize("use", ["score", "decode", "predict", "sample", "stream", "n_parameters_", "posterior"])
def test_a_model_that_is_not_fitted_says_so(use):
    with pytest.raises(NotFittedError):
        getattr(HMM(), use)(*([["ab"]] if use not in ("sample", "stream") else []))


def test_the_family_is_chosen_by_the_data():
    assert isinstance(HMM(max_iter=1).fit(["abab"]).family_, Categorical)
    assert isinstance(HMM(max_iter=1).fit([[0, 3, 1]]).family_, Categorical)
    assert isinstance(HMM(max_iter=1).fit([[0.5, 3, 1, 0, 2]]).family_, Gaussian)
    assert isinstance(HMM(max_iter=1).fit([[[0, 1], [1, 1], [1, 0]]]).family_, Bernoulli)


def test_verbose_prints_every_iteration(capsys):
    HMM(verbose=1, max_iter=2, tol=0, random_state=0).fit(["abab"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("objective" in line for line in lines)


# -------------------------------------------------------------------- scikit-learn

COUNTS = [np.array(x) for x in ([3, 1, 4, 20, 25, 18, 2, 3], [22, 19, 3], [2, 5, 1, 17, 21], [4, 1])] * 2


def test_grid_search_over_the_number_of_states():
    search = GridSearchCV(HMM(emission=Poisson(), random_state=0), {"n_states": [2, 3, 4]}, cv=4).fit(COUNTS)
    assert search.best_params_["n_states"] in (2, 3, 4)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(search.score(COUNTS))


def test_cross_validation_of_nested_parameters():
    X = [np.column_stack([x, x[::-1]]) + 0.5 for x in COUNTS]
    model = HMM(2, Gaussian(), random_state=0, max_iter=3)
    scores = [cross_val_score(clone(model).set_params(emission__covariance=c), X, cv=2) for c in ("full", "diagonal")]
    assert np.isfinite(scores).all()
    assert not np.allclose(*scores)


def test_pipeline():
    halved = FunctionTransformer(lambda X: [x // 2 for x in X])
    model = Pipeline([("halve", halved), ("hmm", HMM(2, Poisson(), random_state=0))]).fit(COUNTS)
    assert np.isfinite(model.score(COUNTS))
    assert len(model.predict(COUNTS)) == len(COUNTS)
    alone = HMM(2, Poisson(), random_state=0).fit([x // 2 for x in COUNTS])
    assert model.score(COUNTS) == alone.score([x // 2 for x in COUNTS])


def test_wrapped_sequences_keep_their_alphabet():
    X = Sequences.wrap([[0, 1, 0], [2, 2, 0, 1], [0, 0], [1, 2]], alphabet=range(4))
    model = HMM(2, Categorical(0.5), random_state=0, max_iter=2).fit(X[[0, 2]])
    assert model.alphabet_ == (0, 1, 2, 3)
    assert np.isfinite(model.log_likelihood(X)).all()
