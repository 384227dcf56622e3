"""What every model promises, held by every model with every family: fast paths against the generic recursion."""

import functools
import itertools
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from seqmodels import HMM, RNN, Independent, Sequences
from seqmodels.base import SequenceModel
from seqmodels.baselines import MarkovChain
from seqmodels.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Laplace,
    LogNormal,
    Mixture,
    Multinomial,
    NegativeBinomial,
    Poisson,
    Product,
    StudentT,
    VonMises,
    ZeroInflated,
)
from seqmodels.hmm import SemiMarkovHMM
from seqmodels.rnn import GRU, LSTM, Elman

EMISSIONS = {
    "Categorical": Categorical(),
    "Categorical, smoothed": Categorical(0.5),
    "Bernoulli": Bernoulli(0.5),
    "Poisson": Poisson(),
    "Gaussian diagonal": Gaussian(),
    "Gaussian full": Gaussian("full"),
    "Gaussian spherical": Gaussian("spherical"),
    "Gaussian tied": Gaussian("tied"),
    "NegativeBinomial": NegativeBinomial(),
    "Geometric": Geometric(),
    "Multinomial": Multinomial(0.5),
    "StudentT": StudentT(),
    "Laplace": Laplace(),
    "LogNormal": LogNormal(),
    "Exponential": Exponential(),
    "Gamma": Gamma(),
    "Beta": Beta(),
    "VonMises": VonMises(),
    "Mixture of Poissons": Mixture(Poisson(), 2),
    "Mixture of Gaussians": Mixture(Gaussian(), 2),
    "Mixture of Bernoullis": Mixture(Bernoulli(0.5), 2),
    "Zero-inflated Poisson": ZeroInflated(Poisson(), 0.5),
    "Zero-inflated NegativeBinomial": ZeroInflated(NegativeBinomial(), 0.5),
    "Mixture of Exponentials": Mixture(Exponential(), 2),
    "Product": Product([Gaussian(), Categorical(0.5)]),
    "Autoregressive": AutoregressiveGaussian(1),
}

NETWORK = functools.partial(RNN, dtype="float64", max_epochs=2, batch_size=3, validation_fraction=0, random_state=0)
MODELS = {
    "HMM": functools.partial(HMM, 2, max_iter=3, random_state=0),
    "SemiMarkovHMM": functools.partial(SemiMarkovHMM, 2, max_duration=4, max_iter=3, random_state=0),
    "Elman": functools.partial(NETWORK, Elman(3)),
    "LSTM": functools.partial(NETWORK, LSTM(2)),
    "GRU after": functools.partial(NETWORK, GRU(2)),
    "GRU before": functools.partial(NETWORK, GRU(2, "before")),
    "stack": functools.partial(NETWORK, [GRU(2), LSTM(2)]),
    "Independent": Independent,
}

WITH_KERNELS = ("Bernoulli", "Mixture of Bernoullis")  # which are compiled once more for each cell
CASES = [
    (model, emission)
    for model, emission in itertools.product(MODELS, EMISSIONS)
    if (EMISSIONS[emission].for_networks and not (emission in WITH_KERNELS and model in ("Elman", "GRU after")))
    or model == "HMM"
    or (model in ("SemiMarkovHMM", "Independent") and not EMISSIONS[emission].order)
] + [("MarkovChain", "Categorical")]

every_case = pytest.mark.parametrize(("model_name", "family_name"), CASES, ids=[f"{m}-{e}" for m, e in CASES])
every_model = pytest.mark.parametrize("model_name", [*MODELS, "MarkovChain"])


def new(model_name, family_name="Categorical"):
    """An unfitted model."""
    if model_name == "MarkovChain":
        return MarkovChain(2)
    return MODELS[model_name](emission=EMISSIONS[family_name])


DRAWS = {  # of generator and shape
    "NegativeBinomial": lambda g, shape: g.negative_binomial(2, [0.5, 0.2], shape),
    "Geometric": lambda g, shape: g.geometric([0.6, 0.2], shape) - 1,
    "Multinomial": lambda g, shape: g.multinomial(6, [0.3, 0.7], shape[0]),
    "LogNormal": lambda g, shape: g.lognormal([0, 3], [1, 0.2], shape),
    "Exponential": lambda g, shape: g.exponential([0.1, 20], shape),
    "Gamma": lambda g, shape: g.gamma([3, 20], [1, 0.1], shape),
    "Beta": lambda g, shape: g.beta([0.9, 7], [2, 3], shape),
    "VonMises": lambda g, shape: g.vonmises([0, 2.5], [0.5, 9], shape),
}
DRAWS |= {"Zero-inflated NegativeBinomial": DRAWS["NegativeBinomial"], "Mixture of Exponentials": DRAWS["Exponential"]}


def symbolic(family_name):
    return EMISSIONS[family_name].symbolic


def data(family_name, gaps=True):
    """Ragged sequences, some of length one; gaps are partial where the family takes that."""
    generator, lengths = np.random.default_rng(11), (5, 1, 7, 3, 1, 4)
    if symbolic(family_name):
        X = [[int(symbol) for symbol in generator.integers(3, size=length)] for length in lengths]
        if gaps:
            X[0][2] = X[2][0] = X[3][2] = X[4][0] = None
        return X
    if "Bernoulli" in family_name:
        X = [generator.integers(2, size=(length, 2)) * 1.0 for length in lengths]
    elif "Poisson" in family_name:
        X = [generator.poisson([2, 6], (length, 2)) * 1.0 for length in lengths]
    elif family_name in DRAWS:
        X = [DRAWS[family_name](generator, (length, 2)) * 1.0 for length in lengths]
    elif family_name == "Product":
        X = [np.column_stack([generator.normal(5, 1, n), generator.integers(3, size=n)]) for n in lengths]
    else:
        X = [generator.normal([5, -40], [1, 20], (length, 2)) for length in lengths]
    if gaps:
        X[0][2] = X[2][0] = X[3][2] = X[4][0] = np.nan
        if family_name != "Multinomial":
            X[2][3, 1] = X[5][3, 0] = np.nan
    return X


@functools.cache
def fitted(model_name, family_name="Categorical"):
    """A fitted model, shared by all tests: none of them may change it."""
    return new(model_name, family_name).fit(data(family_name))


def in_sequence(X):
    """What X says about what is missing altogether, as one array over all observations."""
    return np.concatenate([[x is None or np.all(np.isnan(x)) for x in sequence] for sequence in X])


# -------------------------------------------------------------------- the generic recursion


@every_case
def test_fast_paths_equal_the_generic_recursion(model_name, family_name):
    model = fitted(model_name, family_name)
    sequences = model._known(data(family_name))
    np.testing.assert_allclose(model._terms(sequences), SequenceModel._terms(model, sequences), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        model._beliefs_after(sequences), SequenceModel._beliefs_after(model, sequences), rtol=1e-9, atol=1e-10
    )


@every_case
def test_the_next_predictive_gives_the_term_of_the_extended_sequence(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name, gaps=False)
    X = [x for x in X if len(x) > 1]
    expected = [terms[-1] for terms in model.log_likelihoods(X)]
    own = model.predict_next([x[:-1] for x in X]).log_density([x[-1] for x in X])
    np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-10)


@every_case
def test_a_stream_gives_the_terms_one_by_one(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    for x, expected in zip(X[:3], model.log_likelihoods(X), strict=False):
        stream = model.stream()
        for observation, term in zip(x, expected, strict=True):
            assert stream.update(observation) == pytest.approx(term, rel=1e-9, abs=1e-10)
        one = model.predict_next([x])
        np.testing.assert_allclose(stream.predictive.weights, one.weights, atol=1e-10)


@every_case
def test_each_sequence_stands_for_itself(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    order = [3, 0, 5, 4, 1, 2]
    together, shuffled = model.log_likelihoods(X), model.log_likelihoods([X[n] for n in order])
    for n, terms in zip(order, shuffled, strict=True):
        np.testing.assert_allclose(terms, together[n], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.log_likelihoods([X[2]])[0], together[2], rtol=1e-10, atol=1e-12)


# -------------------------------------------------------------------- scores


@every_case
def test_scores_are_sums_and_means_of_the_terms_that_count(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    terms, missing = np.concatenate(model.log_likelihoods(X)), in_sequence(X)
    np.testing.assert_allclose(terms[missing], 0, atol=1e-13)
    assert np.isfinite(terms).all()
    total = terms[~missing].sum()
    assert model.score(X) == pytest.approx(total / (~missing).sum())
    assert model.log_likelihood(X).shape == (6,)
    assert model.log_likelihood(X).sum() == pytest.approx(total)
    assert model.aic(X) == pytest.approx(2 * model.n_parameters_ - 2 * total)
    assert model.bic(X) == pytest.approx(model.n_parameters_ * np.log((~missing).sum()) - 2 * total)


@every_model
def test_a_given_past_conditions_and_is_not_scored(model_name):
    model, X = fitted(model_name), data("Categorical")
    given = np.array([2, 0, 5, 1, 1, 9])  # more than there is counts as all
    sequences = Sequences.wrap(X).given_past(given)
    counted = np.concatenate([np.arange(len(x)) >= g for x, g in zip(X, given, strict=True)]) & ~in_sequence(X)
    terms = np.concatenate(model.log_likelihoods(X))
    np.testing.assert_allclose(np.concatenate(model.log_likelihoods(sequences)), terms)
    assert model.score(sequences) == pytest.approx(terms[counted].mean())
    assert model.log_likelihood(sequences).sum() == pytest.approx(terms[counted].sum())
    with pytest.raises(ValueError, match="X has observations that are merely given"):
        clone(model).fit(sequences)


@every_model
def test_wish_21_sequences_may_come_as_one_array_with_lengths(model_name):
    model, X = fitted(model_name), data("Categorical", gaps=False)
    lengths = [len(x) for x in X]
    own = model.log_likelihood(np.concatenate(X), lengths=lengths)
    np.testing.assert_allclose(own, model.log_likelihood(X), rtol=1e-12)
    assert model.score(np.concatenate(X), lengths=lengths) == pytest.approx(model.score(X))


# -------------------------------------------------------------------- prediction and samples


@every_case
def test_predictions(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    one = model.predict(X)
    point = model.predict_next(X).mode() if symbolic(family_name) else model.predict_next(X).mean()
    np.testing.assert_allclose(np.concatenate(one), point)
    several = model.predict(X[:2], n_steps=3)
    assert [forecast.shape for forecast in several] == [(3,) if symbolic(family_name) else (3, 2)] * 2
    np.testing.assert_allclose(several[0][:1], one[0])
    with pytest.raises(ValueError, match="n_steps is 0; integers from 1"):
        model.predict(X, n_steps=0)


@pytest.mark.compiled  # a thousand paths
@every_case
def test_forecasts_are_distributions_whose_points_are_the_predictions(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)[:3]
    ahead = model.forecast(X, 3)
    assert [len(each) for each in ahead] == [3, 3, 3]
    for step, each in enumerate(ahead):
        np.testing.assert_allclose(each.weights.sum(axis=1), 1, rtol=1e-12)
        points = each.mode() if symbolic(family_name) else each.mean()
        np.testing.assert_allclose(points, [one[step] for one in model.predict(X, n_steps=3)], rtol=1e-12)
    x = [x[0] for x in data(family_name, gaps=False)[:3]]
    np.testing.assert_allclose(ahead[0].log_density(x), model.predict_next(X).log_density(x), rtol=1e-12)
    assert np.isfinite(ahead[2].log_density(x)).all()
    for wrong in ({"n_steps": 0}, {"n_steps": 2, "n_samples": 1.5}):
        with pytest.raises(ValueError, match=f"{list(wrong)[-1]} is .*; integers from 1 are accepted"):
            model.forecast(X, **wrong)


@every_model
def test_a_forecast_is_the_sum_over_all_that_may_come_between(model_name):
    """For sampled forecasts within four standard errors of 4000 paths."""
    model, past = fitted(model_name), [1, 0]
    between = model.log_likelihood([[*past, first, second] for first, second in itertools.product(range(3), repeat=2)])
    expected = np.exp(between - model.log_likelihood([past])).reshape(3, 3).sum(axis=0)
    found = model.forecast([past], 2, n_samples=4000)[1].probabilities()[0, :3]
    tolerance = 1e-12 if model_name in ("HMM", "SemiMarkovHMM", "Independent") else 4 * np.sqrt(0.25 / 4000)
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), rtol=0, atol=tolerance)


@every_model
def test_a_wide_beam_finds_the_most_probable_continuation(model_name):
    model, past = fitted(model_name), [1, 0]
    alphabet = model.alphabet_
    continuations = list(itertools.product(alphabet, repeat=3))
    probabilities = model.log_likelihood([[*past, *more] for more in continuations])
    best = continuations[int(np.argmax(probabilities))]
    assert tuple(model.predict([past], n_steps=3, beam_width=200)[0]) == best
    with pytest.raises(ValueError, match="beam_width is 0; integers from 1"):
        model.predict([past], beam_width=0)


@every_case
def test_samples_have_the_form_of_the_data_and_are_reproducible(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    prefix = X[2]
    first, again, other = (model.sample(3, 4, prefix=prefix, random_state=seed) for seed in (1, 1, 2))
    assert [sample.shape for sample in first] == [(4,) if symbolic(family_name) else (4, 2)] * 3
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.isfinite(model.log_likelihood(first)).all()
    assert len(model.sample()[0]) == 100
    for wrong in ({"n_sequences": 0}, {"length": 0}, {"length": 1.5}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; integers from 1"):
            model.sample(**wrong)


@pytest.mark.parametrize("model_name", MODELS)
def test_integers_can_be_fitted_by_real_numbers(model_name):
    X = [[9, 12, 7, 10], [11, 8]]
    model = new(model_name, "Gaussian diagonal").fit(X)
    sample = model.sample(1, 5, random_state=0)[0]
    assert (sample != np.round(sample)).all()
    np.testing.assert_allclose(model.log_likelihood(X), model.log_likelihood([np.array(x) * 1.0 for x in X]))


@every_model
def test_temperature_and_cuts_shape_samples_of_symbols(model_name):
    model = fitted(model_name)
    cold = model.sample(2, 5, prefix=[0], temperature=1e-6, random_state=0)
    np.testing.assert_array_equal(cold, model.sample(2, 5, prefix=[0], top_k=1, random_state=3))
    np.testing.assert_array_equal(cold, model.sample(2, 5, prefix=[0], top_p=1e-9, random_state=4))
    assert cold[0][0] == model.predict([[0]])[0][0]
    with pytest.raises(ValueError, match="temperature is 0"):
        model.sample(temperature=0)


@every_model
def test_text_stays_text(model_name):
    model = new(model_name).fit(["abab", "ba", "aab"])
    assert all(isinstance(sample, str) and len(sample) == 6 for sample in model.sample(2, 6, random_state=0))
    assert isinstance(model.predict(["ab"], n_steps=2)[0], str)
    assert model.alphabet_ == ("a", "b")
    assert model.log_likelihood(["ab", "b"]).shape == (2,)


# -------------------------------------------------------------------- gaps


@every_case
def test_a_sequence_of_gaps_is_worth_nothing_and_says_nothing(model_name, family_name):
    model = fitted(model_name, family_name)
    gap = [None] * 3 if symbolic(family_name) else np.full((3, 2), np.nan)
    X = data(family_name)
    np.testing.assert_allclose(model.log_likelihoods([gap, X[0]])[0], 0, atol=1e-13)
    assert model.score([gap, X[0]]) == pytest.approx(model.score([X[0]]))
    assert np.isfinite(model.predict_next([gap]).weights).all()
    with pytest.raises(ValueError, match="nothing to score: every observation is missing"):
        model.score([gap])
    with pytest.raises(ValueError, match="every observation of X is missing"):
        new(model_name, family_name).fit([gap])


# -------------------------------------------------------------------- life cycle


@every_case
def test_pickled_models_are_the_same(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.log_likelihood(X), model.log_likelihood(X))
    np.testing.assert_array_equal(copied.sample(random_state=0), model.sample(random_state=0))


@every_case
def test_clones_are_not_fitted_and_fit_the_same(model_name, family_name):
    model, X = fitted(model_name, family_name), data(family_name)
    copied = clone(model)
    assert str(copied) == str(model)
    for method in (copied.score, copied.log_likelihood, copied.predict, copied.predict_next):
        with pytest.raises(NotFittedError):
            method(X)
    for method in (copied.sample, copied.stream, lambda: copied.alphabet_):
        with pytest.raises(NotFittedError):
            method()
    np.testing.assert_allclose(copied.fit(X).log_likelihood(X), model.log_likelihood(X), rtol=1e-12)


@every_case
def test_a_failed_fit_leaves_the_model_as_it_was(model_name, family_name):
    X = data(family_name)
    model = new(model_name, family_name).fit(X)
    terms, attributes = model.log_likelihood(X), dict(model.__dict__)
    good = ["aa", "ab"] if symbolic(family_name) else [x[:, :1] for x in data(family_name)[:2]]  # of another kind
    if family_name == "Product":
        good = [np.ones((2, 2)), np.zeros((3, 2))]
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(good, sample_weight=[1.0, -1.0])
    assert model.__dict__.keys() == attributes.keys()
    assert all(model.__dict__[name] is value for name, value in attributes.items())
    np.testing.assert_array_equal(model.log_likelihood(X), terms)
    fresh = new(model_name, family_name)
    with pytest.raises(ValueError, match="sample_weight"):
        fresh.fit(X, sample_weight=[1.0])
    with pytest.raises(NotFittedError):
        fresh.score(X)


@every_model
def test_models_fit_and_score_inside_scikit_learn(model_name):
    X = data("Categorical", gaps=False)
    X = [*X, *X]
    scores = cross_val_score(new(model_name, "Categorical, smoothed"), X, cv=2, error_score="raise")
    assert scores.shape == (2,) and np.isfinite(scores).all()
    pipeline = make_pipeline(new(model_name)).fit(X)
    assert pipeline.score(X) == pytest.approx(new(model_name).fit(X).score(X))


@every_model
def test_validation_sequences_are_taken(model_name):
    X = data("Categorical", gaps=False)
    model = new(model_name, "Categorical, smoothed").fit(X[:4], validation=X[4:])
    if hasattr(model, "history_"):
        best = max(record["validation"] for record in model.history_)
        assert model.score(X[4:]) == pytest.approx(best)
    with pytest.raises(ValueError, match=r"validation has 2 columns; the model was fitted to 1"):
        new(model_name).fit(X, validation=[[[1, 2]]])


# -------------------------------------------------------------------- bad input names argument, sequence, position


BAD_SYMBOLS = [
    ([], ValueError, "X holds no sequence; at least one is needed"),
    ([[0, 1], []], ValueError, r"X\[1\] is empty"),
    ("abc", TypeError, r"X is one string; write \[X\]"),
    ([[0], 7], ValueError, r"X\[1\] is 7; a sequence was expected"),
    ([[0], [[0], [1]]], ValueError, r"X\[1\] has 2 dimensions but X\[0\] has 1"),
    ([[0.0, 1.0], [1.0, 0.5]], ValueError, r"X\[1\], position 1 is 0.5; symbols are accepted"),
    ([np.ones((2, 2))], ValueError, r"X has 2 columns"),
]


@every_model
@pytest.mark.parametrize(("X", "error", "message"), BAD_SYMBOLS, ids=[str(case[0]) for case in BAD_SYMBOLS])
def test_bad_symbols_are_refused(model_name, X, error, message):
    model = fitted(model_name)
    with pytest.raises(error, match=message):
        model.score(X)
    if not (model_name == "MarkovChain" and "0.5" in message):  # which refuses real numbers altogether
        with pytest.raises(error, match=message):
            clone(model).fit(X)


@every_model
def test_symbols_not_seen_in_fit(model_name):
    X = data("Categorical", gaps=False)
    if model_name != "MarkovChain":
        strict = new(model_name).set_params(emission=Categorical(unknown="error")).fit(X)
        with pytest.raises(ValueError, match=r"X\[1\], position 2 is the symbol 8, which is not among the 3 symbols"):
            strict.score([[0, 1], [1, 1, 8]])
    lenient = fitted(model_name)
    terms = lenient.log_likelihoods([[0, 8, 1]])[0]
    if model_name in ("HMM", "SemiMarkovHMM"):  # whose family has no prior
        assert terms[1] == -np.inf
    else:
        assert np.isfinite(terms[1])
    assert np.isfinite(terms[[0, 2]]).all()


NUMERIC = [case for case in CASES if not symbolic(case[1])]
every_numeric_case = pytest.mark.parametrize(
    ("model_name", "family_name"), NUMERIC, ids=[f"{m}-{e}" for m, e in NUMERIC]
)


@every_numeric_case
def test_bad_numbers_are_refused(model_name, family_name):
    model = fitted(model_name, family_name)
    good, bad = np.ones((2, 2)), np.ones((4, 2))
    for value in (np.inf, -np.inf):
        bad[3, 1] = value
        for method in (model.score, clone(model).fit):
            with pytest.raises(ValueError, match=rf"X\[1\], position 3, column 1 is {value}; finite numbers"):
                method([good, bad])
    good = np.full((2, 2), 0.5) if family_name == "Beta" else good
    bad = np.full((4, 2), good[0, 0])
    wrong = {
        "Bernoulli": (2.0, "0 and 1"), "Poisson": (0.5, "counts"), "Mixture of Poissons": (-1.0, "counts"),
        "NegativeBinomial": (0.5, "counts"), "Geometric": (-1.0, "counts"), "Multinomial": (1.5, "counts"),
        "LogNormal": (0.0, "positive numbers"), "Exponential": (-1.0, "numbers from 0"),
        "Gamma": (0.0, "positive numbers"), "Beta": (1.0, "numbers between 0 and 1"),
        "Zero-inflated Poisson": (0.5, "counts"), "Zero-inflated NegativeBinomial": (0.5, "counts"),
        "Product": (0.5, "codes of symbols"),
    }  # fmt: skip
    if family_name in wrong:
        bad[3, 1], accepted = wrong[family_name]
        for method in (model.score, clone(model).fit):
            with pytest.raises(ValueError, match=rf"X\[1\], position 3, column 1 is {bad[3, 1]}; {accepted}"):
                method([good, bad])
    if family_name == "Multinomial":
        bad[3, 1] = np.nan
        with pytest.raises(ValueError, match=r"X\[1\], position 3 is missing in part"):
            model.score([good, bad])
    with pytest.raises(ValueError, match="X has 3 columns; the model was fitted to 2"):
        model.score([np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"X\[1\] has 3 columns but X\[0\] has 2"):
        model.score([good, np.ones((2, 3))])
    with pytest.raises(TypeError, match="X holds symbols such as 'a'; numbers are accepted here"):
        clone(model).fit(["ab"])


@every_model
def test_arguments_of_fit_are_checked(model_name):
    X = data("Categorical", gaps=False)
    for weights, message in (
        ([1.0] * 5, r"sample_weight has shape \(5,\); one number from 0 for each of the 6 sequences"),
        ([1.0, 1.0, np.nan, 1.0, 1.0, 1.0], r"sample_weight\[2\] is nan; one number from 0"),
        ([1.0, -2.0, 1.0, 1.0, 1.0, 1.0], r"sample_weight\[1\] is -2.0; one number from 0"),
        ([0.0] * 6, "sample_weight is 0 throughout"),
    ):
        with pytest.raises(ValueError, match=message):
            new(model_name).fit(X, sample_weight=weights)
    with pytest.raises(ValueError, match="lengths add up to 5, but X has 6 observations"):
        new(model_name).fit(np.zeros(6, dtype=int), lengths=[2, 3])


def test_a_model_has_to_say_what_it_does():
    model, belief = SequenceModel(), np.zeros((1, 1))
    for name, arguments in (("start", (1,)), ("predictive", (belief,)), ("update", (belief, belief))):
        with pytest.raises(TypeError, match=f"SequenceModel does not define {name}"):
            getattr(model, name)(*arguments)


@pytest.mark.compiled
def test_thousands_of_symbols_start_at_the_baseline():
    words = [np.arange(1, 10_001)]
    network = RNN(LSTM(2), Categorical(), max_epochs=0, validation_fraction=0).fit(words)
    assert network.score(words) == pytest.approx(Independent(Categorical()).fit(words).score(words), abs=1e-6)


@pytest.mark.parametrize("model", [HMM(2, Categorical(unknown="error")), RNN(LSTM(2), Categorical(unknown="error"))])
def test_fit_refuses_symbols_outside_a_given_alphabet_where_unknown_is_an_error(model):
    narrow = Sequences.wrap(["aa", "ab"], alphabet="a")
    with pytest.raises(ValueError, match=r"X\[1\], position 1 is the symbol"):
        model.fit(narrow)
