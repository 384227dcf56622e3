"""The hidden semi-Markov model: beliefs, training, decoding and prediction, against enumeration."""

import itertools
import pickle

import numpy as np
import pytest
from reference import (
    chi_square,
    log_segmentation_probability,
    semi_markov_by_enumeration,
)
from scipy import stats
from sklearn.exceptions import NotFittedError

from seqmodels import HMM
from seqmodels.base import SequenceModel
from seqmodels.emissions import Categorical, Gaussian, Geometric, Mixture, NegativeBinomial, Poisson
from seqmodels.hmm import Ergodic, LeftToRight, SemiMarkovHMM, Sticky, durations, segment_estimation, segments, tables

from .cases import (
    FAMILIES,
    INITIAL,
    PROBABILITIES,
    UNLIKELY,
    as_tuples,
    assert_forecasts,
    assert_never_falls,
    assert_several_tasks,
    continuations,
    densities_of,
    normalised,
    objectives,
    sequences,
)
from .test_segments import categorical_durations, poisson_durations

WITHOUT_A_PAST = [name for name, family in FAMILIES.items() if not family.order]
TRANSITION = np.array([[0.0, 0.7, 0.3], [0.4, 0.0, 0.6], [1.0, 0.0, 0.0]])
RATES = np.array([0.4, 1.0, 2.5])
X = [list("adbbc"), list("c"), ["b", None, "a", None], list("dd")]


def symbols_model(max_duration=3, **options):
    return SemiMarkovHMM.from_parameters(
        INITIAL, TRANSITION, {"rates": RATES[:, None]}, {"probabilities": PROBABILITIES}, Categorical(),
        max_duration=max_duration, alphabet="abcd", **options,
    )  # fmt: skip


def truth_of(x, max_duration=3):
    _, mass, survivor = poisson_durations(RATES, max_duration)
    return semi_markov_by_enumeration(INITIAL, TRANSITION, mass, survivor, densities_of(x))


# -------------------------------------------------------------------- inference


@pytest.mark.parametrize("max_duration", [1, 3, 12])
def test_wish_19_semi_markov_durations(max_duration):
    """Likelihoods, filters, posteriors, best paths and predictions equal enumeration."""
    model = symbols_model(max_duration)
    truths = [truth_of(x, max_duration) for x in X]
    np.testing.assert_allclose(model.log_likelihood(X), [truth.log_likelihood for truth in truths], rtol=1e-12)
    paths, log_probability = model.decode(X, return_log_probability=True)
    posterior_paths, of_posterior = model.decode(X, "posterior", return_log_probability=True)
    np.testing.assert_allclose(log_probability, [truth.best for truth in truths], rtol=1e-12)
    _, mass, survivor = poisson_durations(RATES, max_duration)
    for n, (x, truth) in enumerate(zip(X, truths, strict=True)):
        np.testing.assert_allclose(model.log_likelihoods(X)[n], truth.terms, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(model.filter(X)[n], truth.filters, rtol=1e-11)
        np.testing.assert_allclose(model.posterior(X)[n], truth.posteriors, rtol=1e-11)
        np.testing.assert_array_equal(posterior_paths[n], truth.posteriors.argmax(axis=1))
        for path, own in ((paths[n], log_probability[n]), (posterior_paths[n], of_posterior[n])):
            expected = log_segmentation_probability(INITIAL, TRANSITION, mass, survivor, densities_of(x), path)
            np.testing.assert_allclose(own, expected, rtol=1e-12)
            assert path.shape == (len(x),) and path.dtype.kind == "i"


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", WITHOUT_A_PAST)
@pytest.mark.parametrize("max_duration", [2, 3, 40])
def test_fast_terms_and_beliefs_equal_the_generic_recursion(family, max_duration):
    x = sequences(family, np.random.default_rng(0), gaps=True)
    model = SemiMarkovHMM(2, FAMILIES[family], max_duration=max_duration, max_iter=2, random_state=0).fit(x)
    data = model._known(x)
    np.testing.assert_allclose(model._terms(data), SequenceModel._terms(model, data), rtol=1e-10, atol=1e-10)
    beliefs = SequenceModel._beliefs_after(model, data)
    np.testing.assert_allclose(model._beliefs_after(data), beliefs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.exp(beliefs).sum(axis=(1, 2)), 1, rtol=1e-12)


def test_a_stream_follows_the_states():
    model = symbols_model()
    for x in X:
        stream, truth = model.stream(), truth_of(x)
        for t, symbol in enumerate(x):
            np.testing.assert_allclose(stream.update(symbol), truth.terms[t], rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(stream.filter, truth.filters[t], rtol=1e-11)


def test_an_impossible_symbol():
    """Its term is -inf; the terms after it go on as if it were missing."""
    model = symbols_model()
    terms = model.log_likelihoods([["a", "z", "b"]])[0]
    assert terms[1] == -np.inf and model.log_likelihood([["a", "z", "b"]])[0] == -np.inf
    without = model.log_likelihoods([["a", None, "b"]])[0]
    np.testing.assert_allclose(terms[[0, 2]], without[[0, 2]], rtol=1e-12)
    data = model._known([["a", "z", "b"]])
    np.testing.assert_allclose(SequenceModel._terms(model, data), terms, rtol=1e-12)
    np.testing.assert_allclose(SequenceModel._beliefs_after(model, data), model._beliefs_after(data), atol=1e-14)
    assert model.decode([["z"]], return_log_probability=True)[1][0] == -np.inf
    np.testing.assert_allclose(model.posterior([["z"]])[0], 1 / 3)


@pytest.mark.parametrize("max_duration", [4, 100])
def test_geometric_durations_are_an_ordinary_hmm(max_duration):
    """Whose stays are the probabilities of going on; cut off at a duration that is never seen."""
    stays = np.array([0.3, 0.8, 0.5])
    transition = TRANSITION * (1 - stays)[:, None] + np.diag(stays)
    n = 400
    probabilities = stays[:, None] ** np.arange(n) * (1 - stays)[:, None]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    given = {"probabilities": PROBABILITIES}
    semi = SemiMarkovHMM.from_parameters(
        INITIAL, TRANSITION, {"probabilities": probabilities}, given, Categorical(), Categorical(), alphabet="abcd"
    )
    chain = HMM.from_parameters(INITIAL, transition, given, Categorical(), "abcd")
    x = [*X, *chain.sample(2, 60, random_state=0)]
    np.testing.assert_allclose(semi.log_likelihood(x), chain.log_likelihood(x), rtol=1e-11)
    for method in ("posterior", "filter"):
        for one, other in zip(getattr(semi, method)(x), getattr(chain, method)(x), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    one, other = (model.decode(x, return_log_probability=True)[1] for model in (semi, chain))
    np.testing.assert_allclose(one, other, rtol=1e-11)
    for one, other in zip(semi.forecast(x, 5), chain.forecast(x, 5), strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-9)
    np.testing.assert_allclose(semi.expected_durations_, 1 / (1 - stays), rtol=1e-11)


# -------------------------------------------------------------------- prediction and samples


@pytest.mark.parametrize("prefix", [["a", "d", "b"], ["b", None]], ids=str)
def test_samples_and_forecasts_continue_a_history(prefix):
    model, expected = symbols_model(), continuations(truth_of, prefix, 2)
    samples = model.sample(2500, 2, prefix=prefix, random_state=0)
    assert chi_square([tuple(x) for x in samples], expected) > UNLIKELY
    assert_forecasts(model, prefix, expected)
    next_one = model.predict_next([prefix]).probabilities()[0]
    assert model.predict([prefix], 2)[0][0] == "abcd"[next_one.argmax()]


def test_samples_last_as_long_as_durations_say():
    """States that can be told from what they emit; the first segment of each sample."""
    model = SemiMarkovHMM.from_parameters(
        [1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]], {"probabilities": [[0.1, 0.6, 0.3], [0.0, 0.0, 1.0]]},
        {"probabilities": np.eye(2)}, Categorical(), Categorical(),
    )  # fmt: skip
    samples = model.sample(2000, 7, random_state=0)
    first = [len(list(next(itertools.groupby(x))[1])) for x in samples]
    assert chi_square(first, {1: 0.1, 2: 0.6, 3: 0.3}) > UNLIKELY
    for x in samples[:100]:
        runs = [(int(symbol), len(list(run))) for symbol, run in itertools.groupby(x)]
        assert all(length == 3 for symbol, length in runs[:-1] if symbol == 1)


# -------------------------------------------------------------------- training

START = {
    "initial": INITIAL, "transition": TRANSITION, "durations": {"rates": RATES[:, None]},
    "emission": {"probabilities": PROBABILITIES},
}  # fmt: skip
WEIGHTS = np.array([1.0, 2.5, 0.5, 1.0])


@pytest.mark.parametrize("max_duration", [2, 5])
def test_one_step_of_em_by_hand(max_duration):
    """Expected counts by enumeration, divided by hand; durations that are cut off are summed over."""
    starts, pairs, symbols = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 4))
    mass, total, counts = np.zeros(3), np.zeros(3), np.arange(300)
    for x, weight in zip(X, WEIGHTS, strict=True):
        truth = truth_of(x, max_duration)
        starts += weight * truth.posteriors[0]
        pairs += weight * truth.pairs
        for symbol, posterior in zip(x, truth.posteriors, strict=True):
            if symbol is not None:
                symbols[:, "abcd".index(symbol)] += weight * posterior
        for k, d in itertools.product(range(3), range(1, len(x) + 1)):
            pmf, at_least = stats.poisson.pmf(counts, RATES[k]), min(d, max_duration)
            left = (counts * pmf)[at_least - 1 :].sum() / pmf[at_least - 1 :].sum()
            done = d - 1 if d < max_duration else left
            total[k] += weight * (truth.completed[k, d - 1] * done + truth.censored[k, d - 1] * left)
            mass[k] += weight * (truth.completed[k, d - 1] + truth.censored[k, d - 1])
    model = SemiMarkovHMM(3, Categorical(), max_duration=max_duration, init=START, max_iter=1, tol=0)
    model.fit(X, sample_weight=WEIGHTS)
    np.testing.assert_allclose(model.initial_, normalised(starts), rtol=1e-10)
    np.testing.assert_allclose(model.transition_, normalised(pairs), rtol=1e-10)
    np.testing.assert_allclose(model.emission_.probabilities, normalised(symbols), rtol=1e-10)
    np.testing.assert_allclose(model.durations_.rates[:, 0], total / mass, rtol=1e-10)
    log_likelihoods = [truth_of(x, max_duration).log_likelihood for x in X]
    np.testing.assert_allclose(objectives(model)[0], WEIGHTS @ log_likelihoods, rtol=1e-12)
    np.testing.assert_allclose(objectives(model)[1], WEIGHTS @ model.log_likelihood(X), rtol=1e-12)
    np.testing.assert_allclose(model.history_[1]["train"], objectives(model)[1] / (WEIGHTS @ [5, 1, 2, 2]), rtol=1e-12)


@pytest.mark.parametrize(("pseudo_count", "second"), [(0.0, 0.0), (0.5, 0.1)])
def test_one_step_of_em_on_symbols_as_durations(pseudo_count, second):
    """What is cut off is shared out among longer durations, as probable as they were; a pseudo-count is added."""
    probabilities = np.array([[0.4 - second, second, 0.35, 0.25], [0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    _, mass, survivor = categorical_durations(probabilities)
    counts = np.zeros((3, 4))
    for x, weight in zip(X, WEIGHTS, strict=True):
        truth = semi_markov_by_enumeration(INITIAL, TRANSITION, mass, survivor, densities_of(x))
        for k, d in itertools.product(range(3), range(1, min(len(x), 4) + 1)):
            counts[k, d - 1] += weight * truth.completed[k, d - 1]
            counts[k, d - 1 :] += weight * truth.censored[k, d - 1] * normalised(probabilities[k, d - 1 :])
    init = START | {"durations": {"probabilities": probabilities}}
    model = SemiMarkovHMM(3, Categorical(), Categorical(pseudo_count), init=init, max_iter=1, tol=0)
    model.fit(X, sample_weight=WEIGHTS)
    assert model.max_duration_ == 4
    np.testing.assert_allclose(model.durations_.probabilities, normalised(counts + pseudo_count), rtol=1e-10)


DURATIONS = {
    "Poisson": Poisson(),
    "Categorical": Categorical(),
    "Categorical, smoothed": Categorical(0.5),
    "mixture": Mixture(Poisson(), 2),
}


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", WITHOUT_A_PAST)
@pytest.mark.parametrize("durations", DURATIONS)
def test_the_objective_never_falls(family, durations):
    """With gaps and weights, whether all durations are told apart or not."""
    x = sequences(family, np.random.default_rng(1), gaps=True)
    for max_duration, init in ((None, "kmeans"), (3, "random")):
        model = SemiMarkovHMM(
            2, FAMILIES[family], DURATIONS[durations], max_duration=max_duration, init=init, max_iter=10, tol=0,
            random_state=0,
        ).fit(x, sample_weight=[1.0, 2.0, 0.5, 1.5])  # fmt: skip
        assert_never_falls(model)
        assert objectives(model)[-1] > objectives(model)[0]
        for array in (model.initial_, model.transition_):
            np.testing.assert_allclose(array.sum(axis=-1), 1, rtol=1e-12)
        np.testing.assert_array_equal(np.diagonal(model.transition_), 0)
    assert model.max_duration_ == 3


def test_known_transitions_and_priors_on_the_others():
    """One step from given parameters: shares of expected counts and pseudo-counts, of what is left."""
    known = np.full((3, 3), np.nan)
    known[0, 2], known[2, 2] = 0.25, 0.0
    start = symbols_model()
    transition = np.array([[0.0, 0.75, 0.25], [0.3, 0.0, 0.7], [0.6, 0.4, 0.0]])
    init = {
        "initial": INITIAL, "transition": transition, "durations": start.durations_, "emission": start.emission_
    }  # fmt: skip
    options = {"max_duration": 3, "tol": 0, "max_iter": 1}
    x = [[s for s in own if s is not None] for own in X] + [list("abcdabcddcba")]
    plain = SemiMarkovHMM(3, Categorical(), init=init, **options).fit(x)
    model = SemiMarkovHMM(3, Categorical(), init=init, transitions=Ergodic(2.5, known), **options).fit(x)
    start = SemiMarkovHMM.from_parameters(
        INITIAL, transition, plain.init["durations"], plain.init["emission"], Categorical(), max_duration=3,
        alphabet="abcd",
    )  # fmt: skip
    chain, source = start._chain_and_source(start._known(x))
    found, _ = segments.expectations(chain, source, start._known(x).offsets, np.ones(len(x)))
    np.testing.assert_allclose(plain.transition_, found.pairs / found.pairs.sum(axis=1, keepdims=True), rtol=1e-12)
    pairs = np.where(np.eye(3, dtype=bool), 0.0, found.pairs + 1.5)
    expected = pairs / pairs.sum(axis=1, keepdims=True)
    expected[0] = [0.0, 0.75, 0.25]
    np.testing.assert_allclose(model.transition_, expected, rtol=1e-12)
    np.testing.assert_allclose(model.initial_, (found.starts + 1.5) / (found.starts + 1.5).sum(), rtol=1e-12)
    assert plain.n_parameters_ - model.n_parameters_ == 1
    gained = model.history_[0]["objective"] - plain.history_[0]["objective"]
    assert gained == pytest.approx(1.5 * (np.log(INITIAL).sum() + np.log(transition[transition > 0]).sum()), rel=1e-12)


@pytest.mark.parametrize("fixed", ["initial", "transition", "durations", "emission", "means", "covariances"])
def test_what_is_fixed_stays(fixed, rng):
    x = [rng.normal(3 * ((np.arange(16) + 4 * first) // 4 % 3), 1.0) for first in (0, 2)]
    free, start, model = (
        SemiMarkovHMM(3, Gaussian(), fixed=names, max_iter=max_iter, tol=0, random_state=0).fit(x)
        for names, max_iter in (((), 0), ((fixed,), 0), ((fixed,), 3))
    )
    assert_never_falls(model)
    before = {"initial": start.initial_, "transition": start.transition_, "durations": start.durations_.rates}
    after = {"initial": model.initial_, "transition": model.transition_, "durations": model.durations_.rates}
    before, after = before | start.emission_._asdict(), after | model.emission_._asdict()
    held = ("means", "covariances") if fixed == "emission" else (fixed,)
    for name in before:
        assert np.array_equal(before[name], after[name]) == (name in held)
    counts = {"initial": 2, "transition": 3, "durations": 3, "means": 3, "covariances": 3, "emission": 6}
    assert free.n_parameters_ - model.n_parameters_ == counts[fixed]


def test_the_objective_includes_priors():
    x, seen = sequences("Categorical", np.random.default_rng(0)), []

    def look(model, record):
        log_prior = 0.5 * np.log(model.emission_.probabilities).sum()
        log_prior += 0.25 * np.log(model.durations_.probabilities).sum()
        np.testing.assert_allclose(record["objective"], model.log_likelihood(x).sum() + log_prior, rtol=1e-12)
        seen.append(record["iteration"])

    SemiMarkovHMM(2, Categorical(0.5), Categorical(0.25), max_iter=2, tol=0, random_state=0, callbacks=[look]).fit(x)
    assert seen == [0, 1, 2]


def test_a_weight_of_two_is_a_duplicate():
    options = {"init": START, "max_iter": 4, "tol": 0, "max_duration": 4}
    weighted = SemiMarkovHMM(3, Categorical(), **options).fit(X, sample_weight=[2, 1, 0, 1])
    repeated = SemiMarkovHMM(3, Categorical(), **options).fit([X[0], X[0], X[1], X[3]])
    np.testing.assert_allclose(weighted.durations_.rates, repeated.durations_.rates, rtol=1e-10)
    np.testing.assert_allclose(weighted.transition_, repeated.transition_, rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(objectives(weighted), objectives(repeated), rtol=1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("durations", [Poisson(), Categorical(), Mixture(Poisson(), 2)], ids=str)
def test_fits_recover_how_long_states_last(durations):
    """From overlapping observations, whose clusters change at every other step."""
    rates, means = np.array([5.0, 20.0, 40.0]), np.array([0.0, 2.0, 4.0])
    jumps = np.array([[0.0, 0.5, 0.5], [0.3, 0.0, 0.7], [0.6, 0.4, 0.0]])
    parameters = Gaussian.Parameters(means[:, None], np.ones((3, 1)))
    truth = SemiMarkovHMM.from_parameters(
        [0.5, 0.3, 0.2], jumps, {"rates": rates[:, None]}, parameters, Gaussian(), max_duration=100
    )
    x = truth.sample(4, 1000, random_state=0)
    model = SemiMarkovHMM(3, Gaussian(), durations, max_duration=100, random_state=0).fit(x)
    order = np.argsort(model.emission_.means[:, 0])
    np.testing.assert_allclose(model.emission_.means[order, 0], means, atol=0.1)
    np.testing.assert_allclose(model.expected_durations_[order], 1 + rates, rtol=0.15)
    np.testing.assert_allclose(model.transition_[order][:, order], jumps, atol=0.25)
    assert model.score(x) > truth.score(x)
    assert model.score(x) > HMM(3, Gaussian(), random_state=0).fit(x).score(x) + 0.05
    assert model.converged_


@pytest.mark.compiled
def test_long_sequences_and_long_durations(rng):
    """A hundred thousand steps: the sums begin anew thousands of times, and nothing is lost."""
    x = [rng.integers(4, size=100_000)]
    model = SemiMarkovHMM.from_parameters(
        INITIAL, TRANSITION, {"rates": 10 * RATES[:, None]}, {"probabilities": PROBABILITIES}, Categorical(),
        max_duration=60,
    )  # fmt: skip
    sequences_ = model._known(x)
    terms, posterior = model._terms(sequences_), model._posterior(sequences_)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(posterior[-1], model.filter(x)[0][-1], rtol=1e-9)
    generic = SequenceModel._terms(model, model._known([x[0][:3000]]))
    np.testing.assert_allclose(terms[:3000], generic, rtol=1e-10, atol=1e-11)


def test_threads_change_not_one_bit(rng, monkeypatch):
    """In tasks of no more than a tile of 64 steps or of one sequence, so that there are several."""
    monkeypatch.setattr(tables, "NUMBERS_IN_A_TILE", 1)
    x = [rng.normal(size=(n, 2)) for n in (70, 1, 30, 12, 50, 60)]
    one, two = (SemiMarkovHMM(2, Gaussian(), max_iter=3, tol=0, random_state=0, n_jobs=n).fit(x) for n in (1, 2))
    np.testing.assert_array_equal(objectives(one), objectives(two))
    np.testing.assert_array_equal(one.durations_.rates, two.durations_.rates)
    assert_several_tasks(two, x)
    for a, b in zip(one.posterior(x), two.posterior(x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_and_restarts_choose(rng):
    x, held_out = sequences("Poisson", rng, lengths=(20, 20)), sequences("Poisson", rng, lengths=(30,))
    model = SemiMarkovHMM(2, Poisson(), max_iter=6, tol=0, n_init=2, random_state=1).fit(x, validation=held_out)
    best = max(record["validation"] for record in model.history_)
    assert model.score(held_out) == pytest.approx(best, rel=1e-12)
    once = SemiMarkovHMM(2, Poisson(), init="random", max_iter=6, tol=0, random_state=1).fit(x)
    again = SemiMarkovHMM(2, Poisson(), init="random", max_iter=6, tol=0, n_init=3, random_state=1).fit(x)
    assert objectives(again)[-1] >= objectives(once)[-1]


def test_zeros_at_the_start_stay():
    init = START | {"initial": [1.0, 0.0, 0.0]}
    model = SemiMarkovHMM(3, Categorical(), init=init, max_iter=3, tol=0).fit([list("abcda"), list("abdbc")])
    np.testing.assert_array_equal(model.initial_, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(model.transition_ > 0, TRANSITION > 0)
    assert model.n_parameters_ == 0 + (1 + 1 + 0) + 3 + 3 * 3


def test_the_longest_duration_is_chosen_by_the_data(monkeypatch):
    x = sequences("Poisson", np.random.default_rng(0))
    assert SemiMarkovHMM(2, Poisson(), max_iter=0, random_state=0).fit(x).max_duration_ == 12
    short = [x[:3] for x in x]
    assert SemiMarkovHMM(2, Poisson(), max_iter=0, random_state=0).fit(short).max_duration_ == 10
    assert SemiMarkovHMM(2, Poisson(), Categorical(), max_iter=0, random_state=0).fit(short).max_duration_ == 3
    monkeypatch.setattr(segment_estimation, "LONGEST_BY_ITSELF", 7)
    assert SemiMarkovHMM(2, Poisson(), max_iter=0, random_state=0).fit(x).max_duration_ == 7
    symbols = SemiMarkovHMM(2, Poisson(), Categorical(), max_duration=5, max_iter=1, random_state=0).fit(x)
    assert symbols.durations_.probabilities.shape == (2, 5)
    assert symbols.n_parameters_ == 1 + 0 + 2 * 4 + 2 * 2
    assert SemiMarkovHMM(2, Poisson(), max_iter=1, random_state=0).fit(x).n_parameters_ == 1 + 0 + 2 + 2 * 2


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", WITHOUT_A_PAST)
def test_degenerate_data(family):
    """One step, nothing but gaps in a sequence, more states than data."""
    emission, generator = FAMILIES[family], np.random.default_rng(0)
    gap = [None] if emission.symbolic else np.full_like(sequences(family, generator)[0][:1], np.nan)
    for n_states, lengths in ((2, (6, 1)), (3, (1, 1)), (3, (1,))):
        x = [*sequences(family, generator, lengths), gap]
        model = SemiMarkovHMM(n_states, emission, max_iter=3, tol=0, random_state=0).fit(x)
        assert np.isfinite(objectives(model)).all()
        np.testing.assert_allclose(model.log_likelihood(x)[-1], 0, atol=1e-12)
        assert np.isfinite(model.expected_durations_).all()


# -------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_states": 1}, ValueError, "n_states is 1; integers from 2 are accepted"),
        ({"max_duration": 0}, ValueError, "max_duration is 0; None and integers from 1 are accepted"),
        ({"max_duration": 2.0}, ValueError, "max_duration is 2.0; None and integers from 1 are accepted"),
        ({"durations": Gaussian()}, ValueError, r"durations is Gaussian\(\); a family of counts"),
        ({"durations": 3}, TypeError, "durations is 3; a family of counts"),
        ({"tol": -1}, ValueError, "tol is -1; numbers from 0 are accepted"),
        ({"transitions": Sticky(2.0)}, TypeError, r"transitions is Sticky\(strength=2.0\); None and Erg"),
        ({"transitions": LeftToRight()}, TypeError, r"transitions is LeftToRight\(\); None and Ergodic"),
        ({"transitions": Ergodic(stationary=True)}, TypeError, r"transitions is Ergodic\(stationary=True\); None and"),
        ({"transitions": Ergodic(0.5)}, ValueError, r"prior is 0.5; numbers from 1"),
        (
            {"transitions": Ergodic(fixed=[[0.5, 0.5], [1, 0]])}, ValueError,
            r"fixed\[0, 0\] is 0.5; by a semi-Markov chain, .* 0 and NaN are accepted",
        ),
        ({"fixed": ("durations", "rates")}, ValueError, "fixed has 'rates'; 'initial', 'transition', 'durations'"),
        ({"fixed": "durations"}, TypeError, "fixed is 'durations'; a tuple of names"),
        ({"init": {"transition": np.full((2, 2), 0.5)}}, ValueError, r"transition\[0, 0\] is 0.5; 0 is accepted"),
        ({"init": {"durations": {"rates": [[1.0]]}}}, ValueError, r"durations has an array of shape \(1, 1\)"),
        ({"init": {"durations": {"rates": [[1.0], [-1.0]]}}}, ValueError, "durations holds -1.0; rates from 0"),
        ({"init": {"durations": None}}, TypeError, "durations is None; PoissonParameters or a dict"),
        ({"init": {"length": 3}}, ValueError, "init has a key 'length'"),
        (
            {
                "init": {"durations": {"probabilities": np.full((2, 4), 0.25)}},
                "durations": Categorical(), "max_duration": 3,
            },
            ValueError, "max_duration is 3; the durations that are given end at 4",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused(options, error, message):
    model = SemiMarkovHMM(**({"n_states": 2, "emission": Categorical()} | options))
    with pytest.raises(error, match=message):
        model.fit(["aab", "ba"])
    with pytest.raises(NotFittedError):
        model.score(["ab"])


def test_an_impossible_sequence_is_named():
    init = {"emission": {"probabilities": [[1.0, 0.0], [1.0, 0.0]]}}
    with pytest.raises(ValueError, match=r"X\[1\] has probability zero .* \(init\) fewer zeros"):
        SemiMarkovHMM(2, init=init).fit(["aa", "ab", "bb"])
    model = SemiMarkovHMM(2, init=init, max_iter=2).fit(["aa", "ab"], sample_weight=[1.0, 0.0])
    np.testing.assert_allclose(model.log_likelihood(["aa"]), 0, atol=1e-12)
    with pytest.raises(ValueError, match="positive sample_weight is missing"):
        SemiMarkovHMM(2, Poisson()).fit([[np.nan], [1.0]], sample_weight=[1.0, 0.0])


def test_parameters_may_be_assigned():
    """Also one number of them: tables are made anew."""
    model = symbols_model()
    before = model.log_likelihood(X)
    model.durations_.rates[0] = 4.0
    other = SemiMarkovHMM.from_parameters(
        INITIAL, TRANSITION, {"rates": [[4.0], [1.0], [2.5]]}, {"probabilities": PROBABILITIES}, Categorical(),
        max_duration=3, alphabet="abcd",
    )  # fmt: skip
    np.testing.assert_array_equal(model.log_likelihood(X), other.log_likelihood(X))
    assert (model.log_likelihood(X) != before).any()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.log_likelihood(X), other.log_likelihood(X))
    with pytest.raises(TypeError, match="emission is 3"):
        SemiMarkovHMM.from_parameters([0.5, 0.5], np.eye(2)[::-1], {"rates": [[1.0], [1.0]]}, {}, 3)


@pytest.mark.parametrize("max_duration", [1, 2, 3, 12])
def test_sampled_paths_follow_their_distribution(max_duration):
    """Also those of segments that have lasted longer than is told apart."""
    model, x = symbols_model(max_duration), ["b", None, "c", "c", None]
    _, mass, survivor = poisson_durations(RATES, max_duration)
    scores = {
        path: log_segmentation_probability(INITIAL, TRANSITION, mass, survivor, densities_of(x), path)
        for path in itertools.product(range(3), repeat=5)
    }
    total = np.logaddexp.reduce(list(scores.values()))
    expected = {path: np.exp(score - total) for path, score in scores.items() if score > -np.inf}
    other, paths = model.sample_paths([["a"], x], 4000, random_state=0)
    assert other.shape == (4000, 1)
    assert chi_square(as_tuples(paths), expected) > UNLIKELY
    np.testing.assert_array_equal(model.sample_paths([["a"], x], 4000, random_state=0)[1], paths)
    with pytest.raises(ValueError, match=r"X\[1\] has probability zero under the model"):
        model.sample_paths([["a"], ["z"]])


@pytest.mark.compiled
@pytest.mark.parametrize("prefix", [None, ["a", "d", "b"]], ids=str)
def test_states_of_samples_follow_their_distribution(prefix):
    model, joint = symbols_model(), {}
    past = prefix or []
    _, mass, survivor = poisson_durations(RATES, 3)
    for more in itertools.product("abcd", repeat=2):
        densities = densities_of([*past, *more])
        for path in itertools.product(range(3), repeat=len(densities)):
            score = log_segmentation_probability(INITIAL, TRANSITION, mass, survivor, densities, path)
            key = more, path[-2:]
            joint[key] = joint.get(key, 0.0) + np.exp(score)
    joint = {key: p / sum(joint.values()) for key, p in joint.items() if p > 0}
    samples, states = model.sample(3000, 2, prefix=prefix, return_states=True, random_state=5)
    found = [(tuple(x), path) for x, path in zip(samples, as_tuples(states), strict=True)]
    assert chi_square(found, joint) > UNLIKELY
    np.testing.assert_array_equal(samples, model.sample(3000, 2, prefix=prefix, random_state=5))


# -------------------------------------------------------------------- durations far beyond what is told apart


@pytest.mark.parametrize("p", [0.5, 1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("max_duration", [5, 200])
def test_a_tail_has_the_mean_of_its_family(p, max_duration):
    """Whatever a geometric number has reached, as much is to be expected as from the beginning."""
    parameters = Geometric.Parameters(np.array([[p], [0.3]]))
    values, shares, log_survivor = durations._tail(Geometric(), parameters, max_duration)
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-9)
    expected = max_duration - 1 + np.array([(1 - p) / p, 0.7 / 0.3])
    np.testing.assert_allclose(values[:, 0] @ shares, expected, rtol=1e-4)
    expected = (max_duration - 1) * np.log1p(-parameters.probabilities[:, 0])
    np.testing.assert_allclose(log_survivor, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("family", "parameters"),
    [
        (Geometric(), {"probabilities": [[1e-6], [1e-6]]}),
        (NegativeBinomial(), {"means": [[1e6], [1e6]], "sizes": [[1.0], [0.5]]}),
        (Poisson(), {"rates": [[1e5], [1e6]]}),
    ],
    ids=str,
)
def test_the_objective_never_falls_where_states_outlast_the_data(family, parameters):
    x = np.repeat([0.0, 1.0], 150)
    model = SemiMarkovHMM(
        2, Gaussian(), family, max_duration=5, init={"durations": parameters}, tol=0, max_iter=8, random_state=0
    )
    with pytest.warns(UserWarning, match="a variance fell to its floor") as warned:
        model.fit([x])
    assert [warning.filename for warning in warned] == [__file__]
    assert_never_falls(model)


def test_tables_are_not_saved():
    model = symbols_model(1000)
    saved = set(vars(pickle.loads(pickle.dumps(model))))
    model.start(1)
    assert set(vars(pickle.loads(pickle.dumps(model)))) == saved


def test_states_of_samples_after_an_impossible_prefix_are_refused():
    model = symbols_model()
    model.emission_ = Categorical.Parameters(PROBABILITIES * [1, 1, 1, 0])
    with pytest.raises(ValueError, match="prefix has probability zero under the model; it has no path to draw"):
        model.sample(1, 3, prefix=["d"], return_states=True, random_state=0)
