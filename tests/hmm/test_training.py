"""Baum-Welch: the objective never falls, and what it is."""

import numpy as np
import pytest
from reference import chain_by_logarithms

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.hmm import Ergodic, tables

from .cases import FAMILIES, assert_never_falls, normalised, objectives, sequences

#: Annual counts of earthquakes of magnitude 7 and more, 1900 to 2006 (Zucchini and MacDonald 2009, table 1.1).
EARTHQUAKES = [
    13, 14, 8, 10, 16, 26, 32, 27, 18, 32, 36, 24, 22, 23, 22, 18, 25, 21, 21, 14, 8, 11, 14, 23, 18, 17, 19, 20,
    22, 19, 13, 26, 13, 14, 22, 24, 21, 22, 26, 21, 23, 24, 27, 41, 31, 27, 35, 26, 28, 36, 39, 21, 17, 22, 17, 19,
    15, 34, 10, 15, 22, 18, 15, 20, 15, 22, 19, 16, 30, 27, 29, 23, 20, 16, 21, 21, 25, 16, 18, 15, 18, 14, 10, 15,
    8, 15, 6, 11, 8, 7, 18, 16, 13, 12, 13, 20, 15, 16, 12, 18, 15, 16, 13, 15, 16, 11, 11,
]  # fmt: skip


START = {
    "initial": [0.4, 0.6],
    "transition": [[0.8, 0.2], [0.3, 0.7]],
    "emission": {"rates": [[3.0, 2.0], [6.0, 7.0]]},
}


# -------------------------------------------------------------------- never falls


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prior", [1.0, 3.0])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_objective_never_falls(family, prior, gaps, seed):
    X = sequences(family, np.random.default_rng(seed), gaps=gaps)
    model = HMM(
        2 + seed, FAMILIES[family], transitions=Ergodic(prior), max_iter=12, tol=0, random_state=seed,
        init=("kmeans", "random")[seed],
    )  # fmt: skip
    assert_never_falls(model.fit(X))
    assert objectives(model)[-1] > objectives(model)[0]


@pytest.mark.compiled
@pytest.mark.parametrize("family", FAMILIES)
def test_the_objective_never_falls_on_the_way_to_convergence(family):
    """Long enough for transitions to vanish and for variances to come near their floor."""
    X = sequences(family, np.random.default_rng(3), lengths=(60, 30, 30), gaps=True)
    model = HMM(4, FAMILIES[family], max_iter=300, tol=1e-9, random_state=0)
    assert_never_falls(model.fit(X))


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("covariance", ["diagonal", "full", "spherical", "tied"])
def test_the_objective_never_falls_when_variances_reach_their_floor(rng, covariance):
    X = [np.repeat(rng.normal(size=(4, 2)), 3, axis=0), rng.normal(size=(5, 2))]
    model = HMM(3, Gaussian(covariance), max_iter=25, tol=0, random_state=0).fit(X)
    assert_never_falls(model)


def test_an_outlier_does_no_harm(rng):
    """At 40 standard deviations its likelihood is e-800."""
    X = [np.concatenate([rng.normal(0, 1, 15), [40.0], rng.normal(6, 1, 15)])]
    init = {"emission": Gaussian.Parameters([[0.0], [6.0]], [[1.0], [1.0]]), "transition": np.full((2, 2), 0.5)}
    model = HMM(2, init=init, max_iter=10, tol=0).fit(X)
    assert_never_falls(model)


# -------------------------------------------------------------------- what the objective is


@pytest.mark.parametrize("prior", [1.0, 3.0])
@pytest.mark.parametrize("family", ["Categorical", "Categorical, smoothed", "Bernoulli, smoothed", "Poisson"])
def test_the_objective_is_log_likelihood_plus_log_prior(family, prior):
    X, seen = sequences(family, np.random.default_rng(0), gaps=True), []
    weights = np.array([1.0, 2.0, 0.5, 0.0])

    def look(model, record):
        log_prior = (prior - 1) * (np.log(model.initial_).sum() + np.log(model.transition_).sum())
        pseudo_count = getattr(FAMILIES[family], "pseudo_count", 0.0)
        if pseudo_count > 0:
            p = model.emission_.probabilities
            log_prior += pseudo_count * (np.log(p).sum() + (np.log1p(-p).sum() if "Bernoulli" in family else 0))
        log_likelihood = weights @ model.log_likelihood(X)
        n_observed = weights @ [(~s.missing.all(axis=1)).sum() for s in (Sequences.wrap([x]) for x in X)]
        np.testing.assert_allclose(record["objective"], log_likelihood + log_prior, rtol=1e-12)
        np.testing.assert_allclose(record["train"], log_likelihood / n_observed, rtol=1e-12)
        seen.append(record["iteration"])

    chain = Ergodic(prior)
    HMM(2, FAMILIES[family], transitions=chain, max_iter=3, tol=0, random_state=0, callbacks=[look]).fit(
        X, sample_weight=weights
    )
    assert seen == [0, 1, 2, 3]


def test_one_step_of_em_by_hand(rng):
    """Expected counts from a slow E-step, divided by hand; with weights, a gap and both priors."""
    X = [[0, 2, None, 1, 1, 0], [1], [2, 0, 1]]
    weights, prior, pseudo_count = np.array([1.0, 0.5, 2.0]), 1.5, 0.25
    initial, transition, probabilities = np.split(rng.dirichlet(np.ones(3), 7), [1, 4])
    starts, pairs, counts = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))
    for x, weight in zip(X, weights, strict=True):
        densities = np.array([np.zeros(3) if symbol is None else np.log(probabilities[:, symbol]) for symbol in x])
        truth = chain_by_logarithms(initial[0], transition, densities)
        starts += weight * truth.posteriors[0]
        pairs += weight * truth.pairs
        for symbol, posterior in zip(x, truth.posteriors, strict=True):
            if symbol is not None:
                counts[:, symbol] += weight * posterior
    model = HMM(
        3, Categorical(pseudo_count), transitions=Ergodic(prior), max_iter=1, tol=0,
        init={
            "initial": initial[0], "transition": transition,
            "emission": {"probabilities": np.column_stack([0.9 * probabilities, np.full(3, 0.1)])},
        },
    ).fit(X, sample_weight=weights)  # fmt: skip
    np.testing.assert_allclose(model.initial_, normalised(starts + prior - 1), rtol=1e-10)
    np.testing.assert_allclose(model.transition_, normalised(pairs + prior - 1), rtol=1e-10)
    with_unknown = np.column_stack([counts, np.zeros(3)])
    np.testing.assert_allclose(model.emission_.probabilities, normalised(with_unknown + pseudo_count), rtol=1e-10)


def test_a_weight_of_two_is_a_duplicate(rng):
    X = sequences("Poisson", rng, gaps=True)
    weighted = HMM(2, Poisson(), init=START, max_iter=5, tol=0).fit(X, sample_weight=[2, 1, 0, 1])
    repeated = HMM(2, Poisson(), init=START, max_iter=5, tol=0).fit([X[0], X[0], X[1], X[3]])
    np.testing.assert_allclose(weighted.transition_, repeated.transition_, rtol=1e-10)
    np.testing.assert_allclose(weighted.initial_, repeated.initial_, rtol=1e-10)
    np.testing.assert_allclose(weighted.emission_.rates, repeated.emission_.rates, rtol=1e-10)
    np.testing.assert_allclose(objectives(weighted), objectives(repeated), rtol=1e-12)
    np.testing.assert_allclose(weighted.history_[-1]["train"], repeated.history_[-1]["train"], rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_threads_and_memory_change_nothing(monkeypatch, family):
    """In tiles of 64 steps, so that there are several; threads not one bit, memory only the order of sums."""
    monkeypatch.setattr(tables, "NUMBERS_IN_A_TILE", 1)
    X = sequences(family, np.random.default_rng(0), lengths=(150, 20, 3, 1), gaps=True)

    def fitted(**options):
        model = HMM(2, FAMILIES[family], max_iter=2, tol=0, random_state=0, **options).fit(X)
        paths, probabilities = model.decode(X), model.posterior(X)
        return [objectives(model), model.initial_, model.transition_, *probabilities, *paths], model.score(X)

    one, score = fitted(n_jobs=1)
    for a, b in zip(one, fitted(n_jobs=2)[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one, fitted(memory="low")[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    np.testing.assert_allclose(fitted(memory="low")[1], score, rtol=1e-12)


# -------------------------------------------------------------------- published figures


@pytest.mark.compiled
@pytest.mark.parametrize(("n_states", "log_likelihood"), [(1, -391.9189), (2, -341.8787), (3, -328.5275)])
def test_earthquakes(n_states, log_likelihood):
    model = HMM(n_states, Poisson(), tol=1e-12, max_iter=10_000, n_init=3, random_state=0).fit([EARTHQUAKES])
    assert len(EARTHQUAKES) == 107
    assert model.converged_
    np.testing.assert_allclose(model.log_likelihood([EARTHQUAKES]), [log_likelihood], atol=5e-5)
    if n_states == 2:  # the maximum-likelihood estimates of the book, section 4.3.1
        np.testing.assert_allclose(np.sort(model.emission_.rates.ravel()), [15.421, 26.018], atol=1e-3)
        low = int(np.argmin(model.emission_.rates))
        np.testing.assert_allclose(model.transition_[low, 1 - low], 0.0718, atol=1e-3)


# -------------------------------------------------------------------- when it stops, and what is kept


def test_the_tolerance_is_a_gain_per_observation(rng):
    X = sequences("Poisson", rng, lengths=(30, 30))
    model = HMM(2, Poisson(), tol=1e-3, random_state=0).fit(X)
    assert model.converged_
    gains = np.diff(objectives(model)) / 60
    assert gains[-1] < 1e-3 <= gains[:-1].min()
    assert model.n_iter_ == len(model.history_) - 1 == len(gains)
    assert [record["iteration"] for record in model.history_] == list(range(model.n_iter_ + 1))
    assert all(record["validation"] is None and record["seconds"] >= 0 for record in model.history_)


def test_the_parameters_are_those_of_the_last_record(rng):
    X = sequences("Gaussian, full", rng, gaps=True)
    model = HMM(2, Gaussian("full"), max_iter=4, tol=0, random_state=0).fit(X)
    assert not model.converged_
    assert model.n_iter_ == 4
    np.testing.assert_allclose(model.log_likelihood(X).sum(), objectives(model)[-1], rtol=1e-12)
    np.testing.assert_allclose(model.score(X), model.history_[-1]["train"], rtol=1e-12)


def test_without_iterations_the_start_is_the_model(rng):
    X = sequences("Poisson", rng)
    model = HMM(2, Poisson(), init=START, max_iter=0).fit(X)
    np.testing.assert_allclose(model.initial_, START["initial"], rtol=1e-15)
    np.testing.assert_allclose(model.transition_, START["transition"], rtol=1e-15)
    np.testing.assert_array_equal(model.emission_.rates, START["emission"]["rates"])
    assert model.n_iter_ == 0


def test_zeros_at_the_start_stay(rng):
    X = sequences("Poisson", rng)
    init = {"initial": [1.0, 0.0, 0.0], "transition": [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]}
    model = HMM(3, Poisson(), init=init, transitions=Ergodic(2.0), max_iter=5, tol=0, random_state=0).fit(X)
    np.testing.assert_array_equal(model.initial_, init["initial"])
    np.testing.assert_array_equal(model.transition_ > 0, np.array(init["transition"]) > 0)
    assert np.diff(objectives(model)).min() > 0
    assert model.n_parameters_ == 0 + 2 + 6


def test_a_callback_sees_the_model_and_can_stop_it(rng):
    X, seen = sequences("Poisson", rng), []

    def look(model, record):
        seen.append((record["iteration"], model.score(X), record["train"]))
        return record["iteration"] == 2

    model = HMM(2, Poisson(), tol=0, random_state=0, callbacks=[lambda *_: "not True", look]).fit(X)
    assert [iteration for iteration, *_ in seen] == [0, 1, 2]
    np.testing.assert_allclose([score for _, score, _ in seen], [train for *_, train in seen], rtol=1e-12)
    assert model.n_iter_ == 2
    assert not model.converged_
    np.testing.assert_allclose(model.score(X), seen[-1][1], rtol=1e-12)


def test_validation_chooses_the_iterate():
    """Few data, which further iterations fit better and better."""
    generator, rates = np.random.default_rng(0), []
    X, held_out = [generator.poisson([5, 9] * 8)], [generator.poisson([5, 9] * 15)]
    model = HMM(
        3, Poisson(), max_iter=20, tol=0, init="random", random_state=0,
        callbacks=[lambda model, _: rates.append(model.emission_.rates)],
    ).fit(X, validation=held_out)  # fmt: skip
    validation = [record["validation"] for record in model.history_]
    best = int(np.argmax(validation))
    assert 0 < best < len(validation) - 1
    np.testing.assert_array_equal(model.emission_.rates, rates[best])
    np.testing.assert_allclose(model.score(held_out), validation[best], rtol=1e-12)


def test_validation_may_be_impossible_at_first():
    """A symbol that training has not seen has probability zero in every iterate."""
    model = HMM(2, random_state=0, max_iter=3).fit(["abab"], validation=["abc"])
    assert all(record["validation"] == -np.inf for record in model.history_)
    assert np.isfinite(model.score(["ab"]))


@pytest.mark.parametrize("validated", [False, True])
def test_restarts_keep_the_best_run(rng, validated):
    X, held_out = sequences("Categorical", rng, lengths=(20, 20)), sequences("Categorical", rng, lengths=(30,))
    options = {"validation": held_out} if validated else {}
    runs = []

    def look(_, record):
        if record["iteration"] == 0:
            runs.append([])
        runs[-1].append(record["validation"] if validated else record["objective"])

    model = HMM(2, max_iter=6, tol=0, n_init=4, random_state=1, callbacks=[look]).fit(X, **options)
    assert len(runs) == 4
    best = max(max(run) for run in runs)
    assert len({max(run) for run in runs}) > 1
    kept = [record["validation"] if validated else record["objective"] for record in model.history_]
    assert max(kept) == best
    found = model.score(held_out) if validated else model.log_likelihood(X).sum()
    np.testing.assert_allclose(found, best, rtol=1e-12)
    assert model.n_iter_ == 6


def test_more_restarts_are_never_worse(rng):
    X = sequences("Categorical", rng)
    values = [objectives(HMM(2, max_iter=4, tol=0, n_init=n, random_state=0).fit(X))[-1] for n in (1, 3, 6)]
    assert values == sorted(values)


def test_the_seed_decides(rng):
    X = sequences("Gaussian, diagonal", rng)
    first, same, other = (
        HMM(3, Gaussian(), init="random", max_iter=2, random_state=seed).fit(X).emission_.means for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


# -------------------------------------------------------------------- what goes wrong


def test_a_start_that_rules_the_data_out_is_refused():
    init = {"emission": {"probabilities": [[1.0, 0.0], [1.0, 0.0]]}}
    with pytest.raises(ValueError, match=r"X\[1\] has probability zero .* \(init\) fewer zeros"):
        HMM(2, init=init).fit(["aa", "ab", "bb"])


def test_a_sequence_of_weight_zero_may_be_impossible():
    init = {"emission": {"probabilities": [[1.0, 0.0], [1.0, 0.0]]}}
    model = HMM(2, init=init, max_iter=2).fit(["aa", "ab"], sample_weight=[1.0, 0.0])
    np.testing.assert_allclose(model.log_likelihood(["aa"]), 0, atol=1e-12)


def test_a_failed_fit_leaves_the_model_as_it_was(rng):
    X = sequences("Poisson", rng)
    model = HMM(2, Poisson(), max_iter=2, random_state=0).fit(X)
    before = dict(model.__dict__)

    def fail(*_):
        raise RuntimeError("in the middle of it")

    model.callbacks = [fail]
    with pytest.raises(RuntimeError, match="in the middle"):
        model.fit([x + 1 for x in X])
    assert model.__dict__.keys() == before.keys()
    assert all(model.__dict__[name] is before[name] for name in before if name != "callbacks")


def test_weight_on_missing_observations_only():
    X = [[np.nan, np.nan], [1.0, 2.0]]
    with pytest.raises(ValueError, match="positive sample_weight is missing"):
        HMM(2, Poisson()).fit(X, sample_weight=[1.0, 0.0])


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
def test_degenerate_data(family):
    """One state, one step, nothing but gaps in a sequence, more states than data."""
    emission, generator = FAMILIES[family], np.random.default_rng(0)
    gap = [None] if emission.symbolic else np.full_like(sequences(family, generator)[0][:1], np.nan)
    for n_states, lengths in ((1, (6, 1)), (3, (1, 1)), (3, (1,)), (2, (4, 3))):
        X = [*sequences(family, generator, lengths), gap]
        model = HMM(n_states, emission, max_iter=3, tol=0, random_state=0).fit(X)
        assert np.isfinite(objectives(model)).all()
        assert model.log_likelihood(X)[-1] == 0
        for array in (model.initial_, model.transition_):
            np.testing.assert_allclose(array.sum(axis=-1), 1, rtol=1e-12)
