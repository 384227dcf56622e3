"""One EM step, posteriors and Viterbi paths as hmmlearn has them."""

import numpy as np
import pytest

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Gaussian, Poisson

hmmlearn = pytest.importorskip("hmmlearn.hmm")

K, D, V, LENGTHS = 3, 2, 4, [9, 1, 14, 6]
EXACT = {"rtol": 1e-8, "atol": 1e-10}
ONE_STEP = {"n_iter": 1, "init_params": "", "tol": 0}
MAXIMUM_LIKELIHOOD = {"means_weight": 0, "covars_prior": 0, "covars_weight": 0, "min_covar": 1e-300}
THEIR_NAME = {"diagonal": "diag", "full": "full", "spherical": "spherical", "tied": "tied"}

every_seed = pytest.mark.parametrize("seed", range(4))


def random_chain(generator):
    return generator.dirichlet(np.ones(K)), generator.dirichlet(np.ones(K), K)


def both(theirs, emission, chain, parameters, X):
    """Their model and ours with the same parameters, ours after no and after one step."""
    theirs.startprob_, theirs.transmat_ = chain
    init = {"initial": chain[0], "transition": chain[1], "emission": parameters}
    start, stepped = (HMM(K, emission, init=init, max_iter=n, tol=0).fit(X) for n in (0, 1))
    return theirs, start, stepped


def assert_same_inference(theirs, ours, X, flat):
    log_likelihood, posteriors = theirs.score_samples(flat, LENGTHS)
    np.testing.assert_allclose(ours.log_likelihood(X).sum(), log_likelihood, **EXACT)
    np.testing.assert_allclose(np.concatenate(ours.posterior(X)), posteriors, **EXACT)
    assert_same_paths(theirs, ours, X, flat)


def assert_same_paths(theirs, ours, X, flat):
    for algorithm, method in (("viterbi", "viterbi"), ("map", "posterior")):
        _, states = theirs.decode(flat, LENGTHS, algorithm=algorithm)
        np.testing.assert_array_equal(np.concatenate(ours.decode(X, method)), states)


def assert_same_step(theirs, ours, flat, names):
    theirs.fit(flat, LENGTHS)
    np.testing.assert_allclose(ours.initial_, theirs.startprob_, **EXACT)
    np.testing.assert_allclose(ours.transition_, theirs.transmat_, **EXACT)
    for our_name, their_name in names.items():
        np.testing.assert_allclose(getattr(ours.emission_, our_name), getattr(theirs, their_name), **EXACT)


@every_seed
@pytest.mark.parametrize("covariance", THEIR_NAME)
def test_gaussian(covariance, seed):
    generator = np.random.default_rng(seed)
    chain, flat = random_chain(generator), generator.normal(size=(sum(LENGTHS), D)) * [1, 3] + [0, 20]
    X = np.split(flat, np.cumsum(LENGTHS)[:-1])
    means = generator.normal(size=(K, D)) * [1, 3] + [0, 20]
    roots = generator.normal(size=(K, D, D))
    matrices = roots @ roots.swapaxes(1, 2) + np.eye(D)
    covariances = {
        "diagonal": np.diagonal(matrices, axis1=1, axis2=2).copy(),
        "full": matrices,
        "spherical": matrices[:, 0, 0].copy(),
        "tied": np.repeat(matrices[:1], K, axis=0),
    }[covariance]
    theirs = hmmlearn.GaussianHMM(K, THEIR_NAME[covariance], params="stmc", **ONE_STEP, **MAXIMUM_LIKELIHOOD)
    theirs.means_, theirs.n_features = means, D
    theirs.covars_ = covariances[0] if covariance == "tied" else covariances
    parameters = Gaussian.Parameters(means, covariances)
    theirs, start, stepped = both(theirs, Gaussian(covariance), chain, parameters, X)
    assert_same_inference(theirs, start, X, flat)
    assert_same_step(theirs, stepped, flat, {"means": "means_"})
    their_covariances = theirs.covars_ if covariance in ("full", "tied") else theirs._covars_
    if covariance == "spherical":
        their_covariances = np.reshape(their_covariances, (K, -1))[:, 0]
    np.testing.assert_allclose(
        stepped.emission_.covariances, np.broadcast_to(their_covariances, covariances.shape), **EXACT
    )


@every_seed
def test_categorical(seed):
    generator = np.random.default_rng(seed)
    chain, probabilities = random_chain(generator), generator.dirichlet(np.ones(V), K)
    flat = generator.integers(V, size=(sum(LENGTHS), 1))
    X = Sequences.wrap([x[:, 0] for x in np.split(flat, np.cumsum(LENGTHS)[:-1])], alphabet=range(V))
    theirs = hmmlearn.CategoricalHMM(K, params="ste", **ONE_STEP)
    theirs.emissionprob_, theirs.n_features = probabilities, V
    theirs, start, stepped = both(theirs, Categorical(), chain, {"probabilities": probabilities}, X)
    assert_same_inference(theirs, start, X, flat)
    assert_same_step(theirs, stepped, flat, {"probabilities": "emissionprob_"})


@every_seed
def test_poisson(seed):
    generator = np.random.default_rng(seed)
    chain, rates = random_chain(generator), generator.gamma(2.0, 3.0, (K, D))
    flat = generator.poisson(6.0, (sum(LENGTHS), D))
    X = np.split(flat, np.cumsum(LENGTHS)[:-1])
    theirs = hmmlearn.PoissonHMM(K, params="stl", lambdas_prior=0, lambdas_weight=0, **ONE_STEP)
    theirs.lambdas_, theirs.n_features = rates, D
    theirs, start, stepped = both(theirs, Poisson(), chain, {"rates": rates}, X)
    assert_same_inference(theirs, start, X, flat)
    assert_same_step(theirs, stepped, flat, {"rates": "lambdas_"})


@every_seed
def test_zeros_in_the_chain(seed):
    """A left-to-right chain: what is ruled out stays so, here and there."""
    generator = np.random.default_rng(seed)
    chain = np.array([1.0, 0.0, 0.0]), np.array([[0.7, 0.3, 0.0], [0.0, 0.6, 0.4], [0.0, 0.0, 1.0]])
    rates, flat = generator.gamma(2.0, 3.0, (K, 1)), generator.poisson(6.0, (sum(LENGTHS), 1))
    X = np.split(flat, np.cumsum(LENGTHS)[:-1])
    theirs = hmmlearn.PoissonHMM(K, params="stl", lambdas_prior=0, lambdas_weight=0, **ONE_STEP)
    theirs.lambdas_, theirs.n_features = rates, 1
    theirs, start, stepped = both(theirs, Poisson(), chain, {"rates": rates}, X)
    assert_same_inference(theirs, start, X, flat)
    assert_same_step(theirs, stepped, flat, {"rates": "lambdas_"})
