"""Parameters of a family that are held while others are estimated, and statistics that change what they are about."""

import pytest
from emission_cases import CASES, HIDDEN, K, has, parts, random_members, random_values
from test_emissions import assert_same, each_family, moved, moved_covariances

from seqmodels.emissions import Bernoulli, Emission, Gaussian, Laplace, Mixture, Poisson, StudentT

SUMS = [case for case in CASES if not has(case, Laplace)]  # of which all statistics are sums over observations
SEEN = [case for case in SUMS if case not in HIDDEN and not has(case, StudentT)]  # not gathered by shares or precisions
each_sum = pytest.mark.parametrize("case", SUMS, ids=lambda case: case.name)
each_seen = pytest.mark.parametrize("case", SEEN, ids=lambda case: case.name)
each_covariance = pytest.mark.parametrize("covariance", ["diagonal", "full", "spherical", "tied"])


def is_expected(case):
    """Whether the family expects what is missing, under the parameters that statistics are gathered under."""
    return any(isinstance(part, Gaussian) and not part._shape.independent for part in parts(case.emission))


def statistics_of(case, rng, n=40):
    """Members, values, visits, and the statistics; what a family expects of missing entries is not a statistic."""
    members = random_members(case.emission, case.D, (K,), rng)
    values = random_values(case, members, n, rng, missing=0.0 if is_expected(case) else 0.1)
    visits = rng.random((n, K))
    return members, values, visits, case.emission.sufficient_statistics(values, visits, members)


@each_sum
def test_statistics_can_be_about_other_parameters(case, rng):
    members, _, _, statistics = statistics_of(case, rng)
    others = random_members(case.emission, case.D, (K,), rng)
    rebased = case.emission.rebased(statistics, members, others)
    expected = case.emission.maximize(statistics, members)
    assert_same(case.emission.maximize(rebased, others), expected, rtol=1e-9, atol=1e-12)
    assert_same(case.emission.rebased(rebased, others, members), statistics, rtol=1e-9, atol=1e-9)


@each_seen
def test_rebased_statistics_are_those_gathered_there(case, rng):
    members, values, visits, statistics = statistics_of(case, rng)
    others = random_members(case.emission, case.D, (K,), rng)
    there = case.emission.sufficient_statistics(values, visits, others)
    assert_same(case.emission.rebased(statistics, members, others), there, rtol=1e-9, atol=1e-9)


@each_family
def test_each_name_holds_what_it_names(case, rng):
    members, _, _, statistics = statistics_of(case, rng)
    free = case.emission.maximize(statistics, members)
    assert_same(case.emission.maximize_free(statistics, members, ()), free)
    assert case.emission.n_free(members, ()) == case.emission.n_parameters(members) == case.n_parameters
    for name in case.emission.freezable:
        found, held = case.emission.maximize_free(statistics, members, (name,)), members
        while name not in found._fields:
            found, held = found.components, held.components
        assert_same(getattr(found, name), getattr(held, name), rtol=0)
        n_free = case.emission.n_free(members, (name,))
        assert 0 <= n_free < case.n_parameters
    if case.emission.freezable:
        assert case.emission.n_free(members, case.emission.freezable) == 0
        assert_same(case.emission.maximize_free(statistics, members, case.emission.freezable), members, rtol=0)


@each_covariance
@pytest.mark.parametrize("held", ["means", "covariances"])
def test_the_m_step_beside_held_parameters_is_the_top(covariance, held, rng):
    case = next(case for case in CASES if case.name == f"gaussian {covariance}")
    members, values, visits, statistics = statistics_of(case, rng)
    best = case.emission.maximize_free(statistics, members, (held,))

    def expected(parameters):
        return float((visits * case.emission.log_table(values, parameters)).sum())

    top = expected(best)
    assert top > expected(members)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            move = moved if held == "covariances" else moved_covariances
            other = move(case.emission, best, lambda shape, size=size: size * rng.normal(size=shape))
            assert expected(other) < top


@pytest.mark.parametrize(
    ("emission", "fixed", "n_free"),
    [
        (Gaussian("full"), ("means",), K * 3),
        (Gaussian("full"), ("covariances",), K * 2),
        (Gaussian("tied"), ("means",), 3),
        (Gaussian("spherical"), ("covariances",), K * 2),
        (Mixture(Gaussian(), 2), ("weights",), K * 2 * 4),
        (Mixture(Gaussian(), 2), ("components",), K),
        (Mixture(Gaussian(), 2), ("means",), K * (1 + 2 * 2)),
        (Mixture(Poisson(), 4), ("rates",), K * 3),
        (Mixture(Mixture(Poisson(), 2), 2), ("weights",), K * 2 * 2 * 2),
    ],
)
def test_free_parameters_are_counted(emission, fixed, n_free, rng):
    assert emission.n_free(random_members(emission, 2, (K,), rng), fixed) == n_free


def test_names_that_can_be_held():
    assert Poisson().freezable == ("rates",)
    assert Gaussian().freezable == ("means", "covariances")
    assert Mixture(Bernoulli(), 2).freezable == ("weights", "components", "probabilities")
    assert Mixture(Mixture(Gaussian(), 2), 2).freezable == ("weights", "components", "means", "covariances")


def test_what_a_family_has_to_say_itself():
    class TwoFields(Emission):
        Parameters = Gaussian.Parameters

    assert TwoFields().freezable == ()
    with pytest.raises(TypeError, match=r"TwoFields\(\) does not define rebased: .* partial_fit"):
        TwoFields().rebased((), (), ())


@pytest.mark.parametrize("case", [case for case in CASES if has(case, Laplace)], ids=lambda case: case.name)
def test_medians_are_no_sums(case, rng):
    members, _, _, statistics = statistics_of(case, rng)
    with pytest.raises(TypeError, match=r"Laplace\(\) cannot be trained by partial_fit: its locations are medians"):
        case.emission.rebased(statistics, members, members)
