import itertools

import numpy as np
import pytest
from reference import kneser_ney
from scipy import stats

from seqmodels import Sequences
from seqmodels.base import SequenceModel
from seqmodels.baselines import Independent, MarkovChain
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Poisson


def random_text(generator, n_sequences=12, n_symbols=4, longest=30):
    """Sequences in which symbols repeat, so that contexts do too."""
    sequences = []
    for length in generator.integers(1, longest, n_sequences):
        steps = generator.integers(0, n_symbols, length)
        steps[generator.random(length) < 0.5] = 1
        sequences.append((np.cumsum(steps) % n_symbols).tolist())
    return sequences


def with_gaps(sequences, generator, share=0.15):
    return [[None if generator.random() < share else s for s in sequence] for sequence in sequences]


def expected_terms(sequences, probability):
    return [
        [0.0 if s is None else np.log(probability(sequence[:t], s)) for t, s in enumerate(sequence)]
        for sequence in sequences
    ]


# -------------------------------------------------------------------- Independent


def test_independent_is_one_distribution_at_every_step(rng):
    X = [rng.normal(3, 2, (length, 2)) for length in (5, 9, 1)]
    values = np.concatenate(X)
    model = Independent().fit(X)
    expected = stats.norm(values.mean(axis=0), values.std(axis=0)).logpdf(values).sum(axis=1)
    np.testing.assert_allclose(np.concatenate(model.log_likelihoods(X)), expected)
    np.testing.assert_allclose(model.log_likelihood(X), [expected[:5].sum(), expected[5:14].sum(), expected[14]])
    assert model.score(X) == pytest.approx(expected.mean())
    assert model.n_parameters_ == 4
    np.testing.assert_allclose(model.predict_next(X).mean(), np.tile(values.mean(axis=0), (3, 1)))


def test_independent_gives_symbols_not_seen_a_pseudo_count_of_one_half():
    model = Independent().fit(["aab"])
    terms = model.log_likelihoods(["abz"])[0]
    np.testing.assert_allclose(np.exp(terms), np.array([2.5, 1.5, 0.5]) / 4.5)


def test_sample_weights_of_independent_repeat_sequences(rng):
    X = [rng.poisson(4, 6) * 1.0 for _ in range(3)]
    weighted = Independent(Poisson()).fit(X, sample_weight=[1, 3, 0])
    repeated = Independent(Poisson()).fit([X[0], X[1], X[1], X[1]])
    np.testing.assert_allclose(weighted.emission_.rates, repeated.emission_.rates)


@pytest.mark.parametrize("emission", [Gaussian(), Poisson(), Bernoulli(), Categorical()], ids=str)
def test_fast_terms_of_independent_equal_the_generic_recursion(emission, rng):
    X = [rng.integers(0, 2, (length, 1)) * 1.0 for length in (4, 7, 2)]
    X[1][3] = np.nan
    model = Independent(emission).fit(X)
    sequences = model._known(X)
    np.testing.assert_allclose(model._terms(sequences), SequenceModel._terms(model, sequences), atol=1e-14)


# -------------------------------------------------------------------- MarkovChain against the slow truth


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_terms_equal_the_plain_reference(order, gaps, weighted, rng):
    train, test = random_text(rng), random_text(rng, n_symbols=5)  # symbol 4 is unknown
    if gaps:
        train, test = with_gaps(train, rng), with_gaps(test, rng)
    weights = rng.choice([0, 0.3, 1, 2.6], len(train)) if weighted else np.ones(len(train))
    model = MarkovChain(order).fit(train, sample_weight=weights if weighted else None)
    alphabet = {s for sequence in train for s in sequence if s is not None}
    truth = kneser_ney(train, weights, alphabet, order)
    for data in (train, test):
        for own, expected in zip(model.log_likelihoods(data), expected_terms(data, truth), strict=True):
            np.testing.assert_allclose(own, expected, atol=1e-12)


def test_unknown_symbols_in_training_data_are_counted_and_end_contexts(rng):
    train = random_text(rng, n_symbols=5)
    model = MarkovChain(2).fit(Sequences.wrap(train, alphabet=[0, 1, 2]))
    truth = kneser_ney(train, np.ones(len(train)), {0, 1, 2}, 2)
    for own, expected in zip(model.log_likelihoods(train), expected_terms(train, truth), strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-12)


def test_a_case_small_enough_for_pencil_and_paper():
    model = MarkovChain(1).fit(["ab", "ab", "b"])
    # One discount per level: of the bigrams (^ a) 2, (^ b) 1, (a b) 2, one counts once and two twice: 1/5.
    # The unigrams continue in one (a) and two ways (b) to the left: 1 / (1 + 2) = 1/3.
    np.testing.assert_allclose(model.discounts_, [1 / 3, 1 / 5])
    unigram = np.array([2 / 3, 5 / 3, 0]) / 3 + (2 / 3) / 3 / 3
    after_start = np.array([9 / 5, 4 / 5, 0]) / 3 + (2 / 5) / 3 * unigram
    after_a = np.array([0, 9 / 5, 0]) / 2 + (1 / 5) / 2 * unigram
    np.testing.assert_allclose(model.predictive(model.start(1)).probabilities()[0], after_start)
    np.testing.assert_allclose(model.predict_next(["a"]).probabilities()[0], after_a)
    np.testing.assert_allclose(model.predict_next(["ab"]).probabilities()[0], unigram)  # nothing followed b
    assert model.n_parameters_ == 2 + 3


@pytest.mark.parametrize("order", [1, 3])
def test_distributions_sum_to_one_after_every_context_seen_or_not(order, rng):
    train = with_gaps(random_text(rng, 4, longest=8), rng)
    model = MarkovChain(order).fit(train)
    alphabet = [0, 1, 2, 3]
    truth = kneser_ney(train, np.ones(4), set(alphabet), order)
    symbols = [*alphabet, None, "unknown"]
    contexts = [list(c) for n in range(1, order + 2) for c in itertools.product(symbols, repeat=n)]
    probabilities = model.predict_next(contexts).probabilities()
    assert probabilities.shape == (len(contexts), 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
    assert probabilities.min() > 0
    expected = [[truth(context, s) for s in (*alphabet, "unknown")] for context in contexts]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_fast_paths_of_markov_chain_equal_the_generic_recursion(order, rng):
    model = MarkovChain(order).fit(with_gaps(random_text(rng), rng))
    sequences = model._known(with_gaps(random_text(rng, n_symbols=6), rng))
    np.testing.assert_allclose(model._terms(sequences), SequenceModel._terms(model, sequences), atol=1e-13)
    np.testing.assert_array_equal(model._beliefs_after(sequences), SequenceModel._beliefs_after(model, sequences))


def test_stream_follows_one_sequence():
    model = MarkovChain(2).fit(["abracadabra", "cadabra"])
    stream = model.stream()
    terms = [stream.update(symbol) for symbol in "abraz?ca"]
    np.testing.assert_allclose(terms, model.log_likelihoods(["abraz?ca"])[0])


# -------------------------------------------------------------------- MarkovChain: data


def test_integer_weights_repeat_sequences(rng):
    X = random_text(rng)
    weights = rng.integers(0, 3, len(X))
    weighted = MarkovChain(2).fit(Sequences.wrap(X), sample_weight=weights)
    repeated = [x for x, w in zip(X, weights, strict=True) for _ in range(w)]
    repeated = MarkovChain(2).fit(Sequences.wrap(repeated, alphabet=weighted.alphabet_))
    np.testing.assert_array_equal(weighted.discounts_, repeated.discounts_)
    np.testing.assert_allclose(weighted.log_likelihood(X), repeated.log_likelihood(X), rtol=1e-14)
    doubled = MarkovChain(2).fit(X, sample_weight=np.full(len(X), 2))
    np.testing.assert_allclose(doubled.log_likelihood(X), MarkovChain(2).fit(X + X).log_likelihood(X), rtol=1e-14)


def test_data_shorter_than_the_order_fill_fewer_levels():
    model = MarkovChain(5).fit(["ab", "b"])
    assert np.isfinite(model.log_likelihoods(["abababab"])[0]).all()
    model = MarkovChain(2).fit([[0, None, 1, None, 1]])
    truth = kneser_ney([[0, None, 1, None, 1]], [1], {0, 1}, 2)
    np.testing.assert_allclose(
        np.exp(model.log_likelihoods([[0, 1, 1]])[0]), [truth([], 0), truth([0], 1), truth([0, 1], 1)]
    )


def test_symbols_may_be_words_and_samples_are_made_of_them():
    X = [["to", "be", "or", "not", "to", "be"], ["not", "to", "be"]]
    model = MarkovChain(2).fit(X)
    sample = model.sample(3, 50, random_state=1)
    assert {len(s) for s in sample} == {50}
    assert {w for s in sample for w in s} <= {"to", "be", "or", "not", None}
    assert list(model.predict([["not"]], n_steps=1)[0]) == ["to"]
    assert list(model.predict([["not"]], n_steps=2, beam_width=4)[0]) == ["to", "be"]


def test_samples_have_the_frequencies_of_the_model(rng):
    model = MarkovChain(1).fit(random_text(rng, 40))
    sample = model.sample(200, 100, random_state=0)
    pairs = np.concatenate([np.column_stack([s[:-1], s[1:]]) for s in sample])
    pairs = pairs[(pairs != None).all(axis=1)].astype(int)  # noqa: E711 (unknown symbols are drawn as None)
    for symbol in range(4):
        after = np.bincount(pairs[pairs[:, 0] == symbol, 1], minlength=4)
        expected = model.predict_next([[symbol] * 3]).probabilities()[0, :4]
        deviation = np.sqrt(expected * (1 - expected) / after.sum())
        np.testing.assert_array_less(np.abs(after / after.sum() - expected), 4.5 * deviation + 1e-3)


def test_validation_is_taken_and_changes_nothing():
    alone, observed = MarkovChain(2).fit(["abab"]), MarkovChain(2).fit(["abab"], validation=["bb"])
    assert alone.score(["abba"]) == observed.score(["abba"])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[0.5, 1.5]], r"X\[0\], position 0 is 0.5, a real number; MarkovChain takes symbols"),
        ([[[1, 2], [3, 4]]], r"X has 2 columns; MarkovChain takes one column"),
        ([[None, None]], "every observation of X is missing"),
    ],
)
def test_data_that_are_not_symbols_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        MarkovChain().fit(X)


def test_fractions_are_refused_after_fit_too():
    with pytest.raises(ValueError, match=r"X\[1\], position 2 is 0.5; symbols are accepted"):
        MarkovChain().fit([[0, 1, 1]]).score([[0.0, 1.0], [1.0, 0.0, 0.5]])


@pytest.mark.parametrize("order", [0, -1, 1.5, "2"])
def test_order_is_checked(order):
    with pytest.raises(ValueError, match=r"order is .*; integers from 1 are accepted"):
        MarkovChain(order).fit(["ab"])


def test_a_refused_fit_leaves_the_model_as_it_was():
    model = MarkovChain(2).fit(["abab"])
    before = model.score(["abba"])
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(["cdcd"], sample_weight=[-1.0])
    assert model.score(["abba"]) == before
    assert model.alphabet_ == ("a", "b")


def test_weights_of_zero_may_not_leave_nothing():
    with pytest.raises(ValueError, match="sample_weight is 0 for every sequence of X with an observed symbol"):
        MarkovChain().fit([["a", "b"], [None]], sample_weight=[0, 1])


@pytest.mark.parametrize("order", [5])
def test_large_alphabets_and_high_orders_fit_in_64_bits(order):
    rng = np.random.default_rng(0)
    x = np.minimum(rng.zipf(1.2, 60_000), 10_000)  # (10,002)^6 would not fit
    x[:10_000] = rng.permutation(10_000) + 1
    model = MarkovChain(order).fit([x])
    assert len(model.alphabet_) == 10_000
    probabilities = model.predict_next([x[:20_000], x[-50:], [1, 2]]).probabilities()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    truth = kneser_ney([x.tolist()], [1], set(range(1, 10_001)), order)
    terms = model.log_likelihoods([x[:100]])[0]
    np.testing.assert_allclose(terms, [np.log(truth(x[:t].tolist(), x[t])) for t in range(100)])
