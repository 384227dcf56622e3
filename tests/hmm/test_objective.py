"""Everything together in one fit: any emission, chain and prior, gaps, weights, known states, fixed parameters."""

import numpy as np
import pytest
from reference import chain_by_enumeration, paths_by_enumeration
from scipy.optimize import minimize

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Geometric, Mixture, NegativeBinomial, Poisson
from seqmodels.hmm import Ergodic, LeftToRight, SemiMarkovHMM, Sticky

from .cases import (
    FAMILIES,
    assert_never_falls,
    assert_same_arrays,
    matrix_from,
    objectives,
    ruled_out,
    sequences,
    stationary_loss,
)

DURATIONS = [Poisson(), Poisson(2.0, 0.5), NegativeBinomial(), Geometric(), Categorical(0.5), Mixture(Poisson(), 2)]


def known_entries(generator, K):
    """Some transitions that are known, and NaN."""
    known = generator.dirichlet(np.full(K, 2.0), K)
    known[generator.random((K, K)) < 0.7] = np.nan
    known[np.isnan(known).sum(axis=1) == 1] = np.nan  # the last free one of a row would be known as well
    return known


CHAINS = {
    "ergodic": lambda generator, prior, K: Ergodic(prior),
    "known entries": lambda generator, prior, K: Ergodic(prior, known_entries(generator, K)),
    "sticky": lambda generator, prior, K: Sticky(generator.gamma(2.0), prior),
    "sticky, known entries": lambda generator, prior, K: Sticky(3.0, prior, known_entries(generator, K)),
    "left to right": lambda generator, prior, K: LeftToRight(int(generator.integers(2)), prior),
    "stationary": lambda generator, prior, K: Ergodic(prior, None, True),
    "stationary, known entries": lambda generator, prior, K: Ergodic(prior, known_entries(generator, K), True),
    "stationary, sticky": lambda generator, prior, K: Sticky(2.0, prior, stationary=True),
}


def possible_states(chain, K, lengths, share, generator):
    """Paths that the chain can take, of which a share is known."""
    initial, transition = chain.begin(np.full(K, 1 / K), generator.dirichlet(np.ones(K), K))
    states = []
    for length in lengths:
        path = [generator.choice(K, p=initial)]
        while len(path) < length:
            path.append(generator.choice(K, p=transition[path[-1]] / transition[path[-1]].sum()))
        states.append(np.where(generator.random(length) < share, path, -1))
    return states


def random_problem(seed, chain=None, family=None, lengths=(8, 1, 6, 4)):
    """A model with everything that can be asked for, and what to fit it to."""
    generator = np.random.default_rng(seed)
    family = generator.choice(list(FAMILIES)) if family is None else family
    chain = generator.choice(list(CHAINS)) if chain is None else chain
    K, prior = int(generator.integers(2, 4)), generator.choice([1.0, 1.0 + generator.gamma(1.0)])
    chain = CHAINS[chain](generator, prior, K)
    X = sequences(family, generator, lengths, gaps=bool(generator.integers(2)))
    names = [("initial",)] if not chain.tied else []
    names += [(name,) for name in ("transition", "emission", *FAMILIES[family].freezable)]
    model = HMM(
        K, FAMILIES[family], transitions=chain, tol=0, max_iter=8, random_state=seed,
        init=str(generator.choice(["kmeans", "random"])),
        training=str(generator.choice(["baum-welch", "baum-welch", "viterbi"])),
        memory=str(generator.choice(["fast", "low"])),
        fixed=names[generator.integers(len(names))] if generator.random() < 0.4 else (),
    )  # fmt: skip
    share = generator.choice([0.0, 0.3, 0.7])
    states = possible_states(chain, K, Sequences.wrap(X).lengths, share, generator) if share > 0 else None
    weights = generator.gamma(2.0, size=len(X)) if generator.random() < 0.7 else None
    return model, X, {"states": states, "sample_weight": weights}


def assert_is_fitted_without_a_fall(model, X, options):
    """And to probabilities, which sum to 1."""
    assert_never_falls(model.fit(X, **options))
    np.testing.assert_allclose(model.initial_.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(model.transition_.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("seed", range(2 * len(FAMILIES)))
def test_the_objective_never_falls(seed):
    """Each family twice."""
    assert_is_fitted_without_a_fall(*random_problem(seed, family=list(FAMILIES)[seed % len(FAMILIES)]))


def random_semi_markov_problem(seed):
    """The same of states that last explicit durations."""
    generator = np.random.default_rng([seed, 1])
    family = generator.choice([name for name, own in FAMILIES.items() if not own.order])
    K, prior = int(generator.integers(2, 4)), generator.choice([1.0, 1.0 + generator.gamma(1.0)])
    known = np.full((K, K), np.nan)
    if K == 3 and generator.random() < 0.5:
        known[0, generator.integers(1, 3)] = 0.3
        known[1] = [0.2, 0.0, 0.8]
    X = sequences(family, generator, (8, 1, 6, 4), gaps=bool(generator.integers(2)))
    names = ("initial", "transition", "durations", "emission", *FAMILIES[family].freezable)
    model = SemiMarkovHMM(
        K, FAMILIES[family], DURATIONS[generator.integers(len(DURATIONS))], transitions=Ergodic(prior, known), tol=0,
        max_duration=[None, 3][generator.integers(2)], max_iter=6, random_state=seed,
        init=str(generator.choice(["kmeans", "random"])),
        fixed=(names[generator.integers(len(names))],) if generator.random() < 0.5 else (),
    )  # fmt: skip
    return model, X, {"sample_weight": generator.gamma(2.0, size=len(X)) if generator.random() < 0.7 else None}


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("seed", range(60))
def test_the_objective_of_a_semi_markov_model_never_falls(seed):
    model, X, options = random_semi_markov_problem(seed)
    assert_is_fitted_without_a_fall(model, X, options)
    held = ~np.isnan(model.transitions.fixed)
    np.testing.assert_array_equal(model.transition_[held], model.transitions.fixed[held])


def test_all_of_it_in_one_fit():
    """Gaps, weights, partly known states, known entries and fixed parameters, beside each other."""
    generator = np.random.default_rng(0)
    known = np.array([[np.nan, 0.2, np.nan], [np.nan] * 3, [0.0, 0.5, 0.5]])
    X = sequences("Gaussian, diagonal", generator, (40, 1, 20), gaps=True)
    chain = Sticky(2.0, 1.5, known)
    states = possible_states(chain, 3, (40, 1, 20), 0.3, generator)
    model = HMM(3, transitions=chain, fixed=("means", "initial"), max_iter=10, tol=0, random_state=0)
    start = HMM(3, transitions=chain, max_iter=0, random_state=0).fit(X, states=states, sample_weight=[1, 0.5, 2])
    model.fit(X, states=states, sample_weight=[1, 0.5, 2])
    assert_never_falls(model)
    assert objectives(model)[-1] > objectives(model)[0]
    np.testing.assert_array_equal(model.emission_.means, start.emission_.means)
    np.testing.assert_array_equal(model.initial_, start.initial_)
    np.testing.assert_array_equal(model.transition_[~np.isnan(known)], known[~np.isnan(known)])
    assert not np.array_equal(model.emission_.covariances, start.emission_.covariances)
    assert model.n_parameters_ == (1 + 2 + 0) + 6


# -------------------------------------------------------------------- one step against enumeration


def counts_by_enumeration(model, X, states, weights):
    """Expected starts (K,), pairs (K, K) and posteriors of each sequence, over the paths that are left, and log p."""
    data, K = model._known(X), len(model.initial_)
    densities = data.split(model.family_.log_table(data.values, model.emission_))
    states = [np.full(len(own), -1) for own in densities] if states is None else states
    weights = np.ones(len(X)) if weights is None else weights
    starts, pairs, posteriors, log_likelihood = np.zeros(K), np.zeros((K, K)), [], 0.0
    for own, known, weight in zip(densities, states, weights, strict=True):
        left = np.where(ruled_out(known, K), -np.inf, own)
        if model.training == "viterbi":
            best = paths_by_enumeration(model.initial_, model.transition_, left)[0][0]
            left = np.where(ruled_out(best, K), -np.inf, own)
        truth = chain_by_enumeration(model.initial_, model.transition_, left)
        starts += weight * truth.posteriors[0]
        pairs += weight * truth.pairs
        posteriors.append(weight * truth.posteriors)
        log_likelihood += weight * truth.log_likelihood
    return starts, pairs, np.concatenate(posteriors), log_likelihood


def closed_form(chain, counts, old):
    """Row by row: the free entries share what the others leave, in proportion to counts and pseudo-counts."""
    K, new = len(old), np.zeros_like(old)
    for i in range(K):
        known = np.full(K, np.nan) if chain.fixed is None else chain.fixed[i]
        wants = []
        for j in range(K):
            extra = chain.prior - 1 + (chain.strength if isinstance(chain, Sticky) and i == j else 0)
            wants.append(counts[i, j] + extra if np.isnan(known[j]) and old[i, j] > 0 else 0.0)
        for j in range(K):
            share = wants[j] / sum(wants) if sum(wants) > 0 else np.nan
            new[i, j] = known[j] if not np.isnan(known[j]) else share * (1 - np.nansum(known))
        new[i] = old[i] if np.isnan(new[i]).any() else new[i]
    return new


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "family", ["Poisson", "Categorical, smoothed", "Gaussian, diagonal", "Gaussian, full", "mixture of counts"]
)
@pytest.mark.parametrize("kind", CHAINS)
def test_one_step_equals_enumeration(kind, family, seed):
    model, X, options = random_problem(100 + seed, kind, family, lengths=(7, 1, 6, 4))
    start = HMM(**(model.get_params(deep=False) | {"max_iter": 0})).fit(X, **options)
    model.set_params(max_iter=1).fit(X, **options)
    starts, pairs, posteriors, log_likelihood = counts_by_enumeration(start, X, **renamed(options))
    chain, fixed = model.transitions, model.fixed
    np.testing.assert_allclose(
        model.history_[0]["objective"] - model.transitions.log_prior_of_chain(start.initial_, start.transition_)
        - model.family_.log_prior(start.emission_), log_likelihood, rtol=1e-10,
    )  # fmt: skip
    if "transition" in fixed:
        np.testing.assert_array_equal(model.transition_, start.transition_)
    elif not chain.tied:
        expected = closed_form(chain, pairs, start.transition_)
        np.testing.assert_allclose(model.transition_, expected, rtol=1e-9, atol=1e-14)
    else:
        old = start.transition_
        free = np.isnan(chain.held(old.shape))
        given = starts, pairs + chain.pseudo_counts(old.shape), old, free
        best = minimize(stationary_loss, np.log(old[free]), given, method="BFGS", options={"gtol": 1e-9})
        np.testing.assert_allclose(model.transition_, matrix_from(best.x, old, free), atol=1e-3)
        assert stationary_loss(np.log(model.transition_[free]), *given) <= best.fun + 1e-7
    if not chain.tied:
        first = np.where(start.initial_ > 0, starts + chain.prior - 1, 0)
        expected = start.initial_ if "initial" in fixed else first / first.sum()
        np.testing.assert_allclose(model.initial_, expected, rtol=1e-9, atol=1e-14)
    data = start._known(X)
    statistics = start.family_.sufficient_statistics(data.values, posteriors, start.emission_)
    if "emission" in fixed:
        expected = start.emission_
    else:
        expected = start.family_.maximize_free(statistics, start.emission_, fixed)
    assert_same_arrays(model.emission_, expected, rtol=1e-7, atol=1e-10)


def renamed(options):
    return {"states": options["states"], "weights": options["sample_weight"]}
