"""One EM step, posteriors and Viterbi paths as hmmlearn has them.

Of its seven models, the two variational ones have no counterpart: they fit a posterior over parameters, and their
E-step runs on geometric means of these, where a model here has one value of each parameter.
"""

import numpy as np
import pytest

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Gaussian, Mixture, Multinomial, Poisson

hmmlearn = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn, the reference, is absent")

K, D, V, C, LENGTHS = 3, 2, 4, 2, [9, 1, 14, 6]
EXACT = {"rtol": 1e-8, "atol": 1e-10}
ONE_STEP = {"n_iter": 1, "init_params": "", "tol": 0}
MAXIMUM_LIKELIHOOD = {"means_weight": 0, "covars_prior": 0, "covars_weight": 0, "min_covar": 1e-300}
THEIR_NAME = {"diagonal": "diag", "full": "full", "spherical": "spherical", "tied": "tied"}

every_seed = pytest.mark.parametrize("seed", range(4))


def random_chain(generator):
    return generator.dirichlet(np.ones(K)), generator.dirichlet(np.ones(K), K)


def both(theirs, emission, chain, parameters, X, fixed=()):
    """Their model and ours with the same parameters, ours after no and after one step."""
    theirs.startprob_, theirs.transmat_ = chain
    init = {"initial": chain[0], "transition": chain[1], "emission": parameters}
    start, stepped = (HMM(K, emission, init=init, max_iter=n, tol=0, fixed=fixed).fit(X) for n in (0, 1))
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
def test_multinomial(seed):
    """Any number of trials at each step."""
    generator = np.random.default_rng(seed)
    chain, probabilities = random_chain(generator), generator.dirichlet(np.ones(V), K)
    trials = generator.integers(1, 20, sum(LENGTHS))
    flat = generator.multinomial(trials, np.full(V, 1 / V))
    X = np.split(flat, np.cumsum(LENGTHS)[:-1])
    theirs = hmmlearn.MultinomialHMM(K, n_trials=trials, params="ste", **ONE_STEP)
    theirs.emissionprob_, theirs.n_features = probabilities, V
    parameters = Multinomial.Parameters(probabilities, np.full(K, 10.0))
    theirs, start, stepped = both(theirs, Multinomial(), chain, parameters, X)
    assert_same_inference(theirs, start, X, flat)
    assert_same_step(theirs, stepped, flat, {"probabilities": "emissionprob_"})


def mixtures(covariance, generator):
    """Parameters of mixtures, and their covariances in the form that hmmlearn has them in."""
    weights, means = generator.dirichlet(np.ones(C), K), generator.normal(size=(K, C, D)) * [1, 3] + [0, 20]
    roots = generator.normal(size=(K, C, D, D))
    matrices = roots @ roots.swapaxes(2, 3) + np.eye(D)
    if covariance == "tied":
        matrices = np.broadcast_to(matrices[:, :1], matrices.shape)  # shared within a state, there as here
    covariances = {
        "diagonal": np.diagonal(matrices, axis1=2, axis2=3),
        "full": matrices,
        "spherical": matrices[..., 0, 0],
        "tied": matrices,
    }[covariance].copy()
    parameters = Mixture.Parameters(weights, Gaussian.Parameters(means, covariances))
    return parameters, covariances[:, 0].copy() if covariance == "tied" else covariances


@every_seed
@pytest.mark.parametrize("held", ["means", "covariances"])
@pytest.mark.parametrize("covariance", THEIR_NAME)
def test_mixture_of_gaussians(covariance, held, seed):
    """Their covariances are about the means before the step, which is an M-step where the means are held."""
    generator = np.random.default_rng(seed)
    chain, flat = random_chain(generator), generator.normal(size=(sum(LENGTHS), D)) * [1, 3] + [0, 20]
    X = np.split(flat, np.cumsum(LENGTHS)[:-1])
    parameters, their_covariances = mixtures(covariance, generator)
    flat_priors = {  # which leave the sums over the data
        "diagonal": {"covars_prior": -1.5, "covars_weight": 0.0},
        "full": {"covars_prior": 0.0, "covars_weight": -(D + 2.0)},
        "spherical": {"covars_prior": -(D + 2.0) / 2, "covars_weight": 0.0},
        "tied": {"covars_prior": 0.0, "covars_weight": -(C + D + 1.0)},
    }[covariance]
    theirs = hmmlearn.GMMHMM(
        K, C, covariance_type=THEIR_NAME[covariance], params="stwc" if held == "means" else "stwm",
        weights_prior=1.0, means_weight=0.0, min_covar=0.0, **ONE_STEP, **flat_priors,
    )  # fmt: skip
    theirs.n_features = D
    theirs.weights_, theirs.means_, theirs.covars_ = parameters.weights, parameters.components.means, their_covariances
    theirs, start, stepped = both(theirs, Mixture(Gaussian(covariance), C), chain, parameters, X, (held,))
    assert_same_inference(theirs, start, X, flat)
    assert_same_step(theirs, stepped, flat, {"weights": "weights_"})
    ours = stepped.emission_.components
    np.testing.assert_allclose(ours.means, theirs.means_, **EXACT)
    expected = theirs.covars_[:, None] if covariance == "tied" else theirs.covars_
    np.testing.assert_allclose(ours.covariances, np.broadcast_to(expected, ours.covariances.shape), **EXACT)


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
