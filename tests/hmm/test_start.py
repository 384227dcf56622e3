"""Where EM starts."""

from itertools import permutations

import numpy as np
import pytest

from seqmodels import HMM
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Mixture, Poisson
from seqmodels.hmm.start import made_up_responsibilities, responsibilities_under, starting_transition

from .cases import FAMILIES, sequences

CLOUDS = np.repeat([[-3.0], [0.0], [4.0]], 5, axis=0) + np.linspace(0, 0.1, 15)[:, None]


def shares(how="kmeans", values=CLOUDS, counts=None, family=None, n_states=3, seed=0):
    counts = np.ones(len(values)) if counts is None else counts
    family = Gaussian() if family is None else family
    return made_up_responsibilities(how, n_states, values, counts, family, np.random.default_rng(seed))


def test_k_means_finds_clusters():
    found = shares()
    np.testing.assert_array_equal(np.sort(found.sum(axis=0)), [5, 5, 5])
    assert all((found[i : i + 5] == found[i]).all() for i in (0, 5, 10))


def test_k_means_counts_how_often_a_value_occurs():
    """Two clusters for three values: the rare one is lumped with its neighbour."""
    values, counts = np.array([[0.0], [2.0], [5.0]]), np.array([1.0, 1000.0, 1000.0])
    found = shares(values=values, counts=counts, n_states=2, family=Poisson())
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[1] != found[2]).any()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"how": "random"}, id="as asked"),
        pytest.param({"family": Categorical(), "values": np.arange(6)[:, None]}, id="symbols have no distance"),
        pytest.param({"values": np.zeros((6, 1))}, id="fewer values than states"),
    ],
)
def test_random_shares(options):
    found = shares(**options)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert ((found > 0) & (found < 1)).all()
    np.testing.assert_array_equal(found, shares(**options))
    assert not np.allclose(found, shares(**options, seed=1))


def test_responsibilities_under_given_emissions():
    log_table = np.array([[0.0, np.log(3)], [-5000.0, -5000.0], [-np.inf, -1.0], [-np.inf, -np.inf]])
    found = responsibilities_under(log_table)
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5], [0, 1], [0.5, 0.5]], rtol=1e-12)


def test_transitions_follow_the_responsibilities(rng):
    """Counted within sequences, and none is zero."""
    known = np.eye(2)[[0, 0, 0, 0, 0, 0, 0, 0, 1, 1]]
    transition = starting_transition(known, np.arange(10), np.array([0, 8, 10]), rng)
    np.testing.assert_allclose(transition.sum(axis=1), 1)
    assert (transition > 0).all()
    assert transition[0, 0] > 0.6
    crossing = starting_transition(known, np.arange(10), np.array([0, 10]), np.random.default_rng(0))
    apart = starting_transition(known, np.arange(10), np.array([0, 8, 10]), np.random.default_rng(0))
    assert crossing[0, 1] > apart[0, 1]


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_a_start_is_a_model_of_its_own(rng, family, init):
    X = sequences(family, rng, gaps=True)
    model = HMM(2, FAMILIES[family], init=init, max_iter=0, random_state=0).fit(X)
    np.testing.assert_allclose(model.transition_.sum(axis=1), 1)
    np.testing.assert_allclose(model.initial_, 0.5)
    assert np.isfinite(model.log_likelihood(X)).all()
    states = np.concatenate(model.posterior(X))
    assert np.ptp(states, axis=0).max() > 0.01  # the states are not the same


def test_given_emissions_decide_which_state_is_which():
    """The transitions that are not given are counted between the states of the emissions that are."""
    for order in permutations(range(3)):
        rates = np.array([[2.0], [30.0], [99.0]])[list(order)]
        model = HMM(3, Poisson(), init={"emission": {"rates": rates}}, max_iter=0, random_state=0)
        model.fit([[2, 30, 99] * 12])
        np.testing.assert_array_equal(model.emission_.rates, rates)
        for i, j in enumerate(model.transition_.argmax(axis=1)):
            assert order[j] == (order[i] + 1) % 3


# -------------------------------------------------------------------- what users give

RIGHT = {"initial": [0.5, 0.5], "transition": [[0.5, 0.5], [0.5, 0.5]], "emission": {"rates": [[1.0], [2.0]]}}

WRONG = [
    ({"initials": [0.5, 0.5]}, ValueError, r"init has a key 'initials'; 'initial', 'transition' and 'emission'"),
    ({3: 1, "emission": None}, ValueError, r"init has a key 3;"),
    ({"initial": [1.0]}, ValueError, r"initial has shape \(1,\); 2 states take \(2,\)"),
    ({"initial": [0.7, 0.7]}, ValueError, r"initial is .*0\.7.*; probabilities"),
    ({"initial": [1.5, -0.5]}, ValueError, r"initial is .*-0\.5.*; probabilities"),
    ({"initial": [np.nan, 1.0]}, ValueError, r"initial is .*nan.*; probabilities"),
    ({"transition": np.eye(3)}, ValueError, r"transition has shape \(3, 3\); 2 states take \(2, 2\)"),
    ({"transition": [[0.5, 0.5], [0.5, 0.4]]}, ValueError, r"transition\[1\] is \[0.5 0.4\]; probabilities"),
    ({"emission": {"rate": [[1.0], [2.0]]}}, ValueError, r"emission has the keys \['rate'\]; \['rates'\]"),
    ({"emission": [[1.0], [2.0]]}, TypeError, r"emission is \[\[1.0\], \[2.0\]\]; PoissonParameters or a dict"),
    ({"emission": Gaussian.Parameters([[1.0]], [[1.0]])}, TypeError, r"emission is Gauss.*; PoissonParameters"),
    ({"emission": {"rates": [[1.0], [2.0], [3.0]]}}, ValueError, r"emission .* shape \(3, 1\); .* \(2, ...\)"),
    ({"emission": {"rates": 1.0}}, ValueError, r"emission .* shape \(\); with 2 states, \(2, ...\)"),
    ({"emission": {"rates": [[1.0], [np.inf]]}}, ValueError, r"emission holds inf; finite numbers"),
    ({"emission": {"rates": [[1.0, 2.0], [2.0, 3.0]]}}, ValueError, r"init\['emission'\] .* \(2, 2\); .* \(2, 1\)"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_a_bad_start_is_named(wrong, error, message):
    with pytest.raises(error, match=message):
        HMM(2, Poisson(), init=wrong).fit([[1, 2, 3, 4]])


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG[3:-1])
def test_bad_parameters_are_named(wrong, error, message):
    given = RIGHT | wrong
    with pytest.raises(error, match=message):
        HMM.from_parameters(given["initial"], given["transition"], given["emission"], Poisson())


def test_the_initial_distribution_gives_the_number_of_states():
    with pytest.raises(ValueError, match=r"initial has shape \(\); 1 states take \(1,\)"):
        HMM.from_parameters(1.0, RIGHT["transition"], RIGHT["emission"], Poisson())
    with pytest.raises(ValueError, match=r"transition has shape \(2, 2\); 3 states take \(3, 3\)"):
        HMM.from_parameters(np.full(3, 1 / 3), RIGHT["transition"], RIGHT["emission"], Poisson())


def test_rounded_probabilities_are_taken_and_made_to_sum_to_one():
    model = HMM.from_parameters([0.3333333, 0.6666666], RIGHT["transition"], RIGHT["emission"], Poisson())
    assert model.initial_.sum() == 1


@pytest.mark.parametrize(
    ("family", "given", "message"),
    [
        (Poisson(), {"rates": [[1.0], [-2.0]]}, "-2.0; rates from 0"),
        (Bernoulli(), {"probabilities": [[0.5], [1.5]]}, "1.5; probabilities"),
        (Categorical(), {"probabilities": [[0.5, 0.5], [0.5, 0.6]]}, "1.1; as the sum of probabilities"),
        (Categorical(), {"probabilities": [[0.5, 0.5], [1.5, -0.5]]}, "-0.5; probabilities"),
        (Gaussian(), {"means": [[0], [1]], "covariances": [[1], [0]]}, "0.0; positive"),
        (Gaussian("full"), {"means": np.zeros((2, 2)), "covariances": [np.eye(2), [[1, 2], [2, 1]]]}, "positive"),
        (
            Mixture(Poisson(), 2),
            {"weights": [[0.5, 0.5], [1, 1]], "components": {"rates": np.ones((2, 2, 1))}},
            "2.0; as the sum",
        ),
        (
            Mixture(Poisson(), 2),
            {"weights": [[0.5, 0.5], [0, 1]], "components": {"rates": -np.ones((2, 2, 1))}},
            "-1.0; rates",
        ),
    ],
)
def test_given_emission_parameters_out_of_range_are_refused(family, given, message):
    with pytest.raises(ValueError, match=message):
        HMM.from_parameters([0.5, 0.5], np.eye(2), given, family)


def test_mixtures_of_symbols_need_no_fit():
    probabilities = [[[0.5, 0.5], [0.9, 0.1]], [[0.2, 0.8], [1.0, 0.0]]]
    given = {"weights": [[0.5, 0.5], [0.25, 0.75]], "components": {"probabilities": probabilities}}
    model = HMM.from_parameters([1, 0], np.eye(2), given, Mixture(Categorical(), 2), alphabet="ab")
    assert model.log_likelihood([["b"]])[0] == pytest.approx(np.log(0.3))


def test_a_column_that_is_missing_throughout_is_no_obstacle():
    model = HMM(2, Gaussian(), random_state=0).fit([np.array([[x, np.nan] for x in (1, 2, 1.5, 6, 5, 5.5)])])
    assert np.isfinite(model.score([np.array([[1, np.nan]])]))
