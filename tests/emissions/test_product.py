import numpy as np
import pytest

from seqmodels import HMM, Independent, Sequences
from seqmodels.arrays import map_arrays, padded, padded_width
from seqmodels.emissions import (
    Bernoulli,
    Categorical,
    CategoricalParameters,
    Gaussian,
    GaussianParameters,
    Mixture,
    Poisson,
    PoissonParameters,
    Product,
    ProductParameters,
    ZeroInflated,
)

MIXED = Product([Gaussian(), Categorical(0.5)])


def table(rng, n=40):
    """A number that depends on a symbol beside it."""
    codes = rng.integers(3, size=n)
    return np.column_stack([rng.normal(10.0 * codes, 1), codes])


def test_factors_are_independent_given_the_state():
    parameters = ProductParameters(
        (PoissonParameters(np.array([2.0])), GaussianParameters(np.array([1.0, 3.0]), np.array([1.0, 4.0])))
    )
    product = Product([Poisson(), Gaussian()], [1, [2, 0]])
    row = np.array([3.5, 4.0, 0.5])
    apart = Poisson().log_density(row[[1]], parameters.factors[0]) + Gaussian().log_density(
        row[[2, 0]], parameters.factors[1]
    )
    assert product.log_density(row, parameters) == pytest.approx(float(apart))
    np.testing.assert_allclose(product.mean(parameters), [3.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("product", "message"),
    [
        (Product([Gaussian()]), r"X has 2 columns, and the emissions of Product have the columns \[0\]"),
        (Product([Gaussian(), Poisson()], [0, [0, 1]]), r"have the columns \[0, 0, 1\]; each column once is accepted"),
        (Product([Gaussian(), Poisson()], [0]), "the columns of each of the 2 emissions are accepted"),
        (Product([Categorical()], [[0, 1]]), r"Product gives Categorical.* 2 columns; symbols take one"),
        (Product([Gaussian("round"), Poisson()]), "covariance is 'round'"),
    ],
    ids=str,
)
def test_columns_are_checked(product, message):
    with pytest.raises(ValueError, match=message):
        Independent(product).fit([np.zeros((3, 2))])


@pytest.mark.parametrize("emissions", [None, [], Gaussian(), [Gaussian(), "poisson"]])
def test_factors_have_to_be_emissions(emissions):
    with pytest.raises(TypeError, match=r"Product\(emissions=.*a list of emissions such as Gaussian\(\)"):
        Independent(Product(emissions)).fit([np.zeros((3, 2))])


@pytest.mark.parametrize(
    ("product", "value", "accepted"),
    [
        (Product([Gaussian(), Categorical()]), 0.5, r"codes of symbols \(integers from 0\)"),
        (Product([Gaussian(), Categorical()]), -1.0, "codes of symbols"),
        (Product([Gaussian(), Bernoulli()]), 2.0, "0 and 1"),
        (Product([Gaussian(), Mixture(Poisson())]), -2.0, "counts"),
        (Product([Product([Bernoulli(), Poisson()]), Gaussian()], [[0, 1], 2]), -2.0, "counts"),
    ],
    ids=str,
)
def test_wrong_values_are_named_with_their_place_in_the_table(product, value, accepted):
    D = 3 if product.columns else 2
    X = [np.zeros((2, D)), np.zeros((3, D))]
    X[1][2, 1] = value
    with pytest.raises(ValueError, match=rf"X\[1\], position 2, column 1 is {value}; {accepted}"):
        Independent(product).fit(X)


def test_wish_10_mixed_emissions_in_one_state(rng):
    """A number and a symbol of the same state, some of either missing (hmmlearn #21, #400)."""
    states = np.cumsum(rng.random(600) < 0.05) % 2
    symbols = np.where(states == 0, rng.choice(3, 600, p=[0.7, 0.2, 0.1]), rng.choice(3, 600, p=[0.1, 0.2, 0.7]))
    X = np.column_stack([rng.normal(2.0 * states, 1), symbols])
    X[rng.random(X.shape) < 0.1] = np.nan
    model = HMM(2, Product([Gaussian(), Categorical()]), random_state=0).fit([X])
    numbers, codes = model.emission_.factors
    order = np.argsort(numbers.means[:, 0])
    np.testing.assert_allclose(numbers.means[order, 0], [0, 2], atol=0.25)
    np.testing.assert_allclose(codes.probabilities[order], [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], atol=0.1)
    path = model.decode([X])[0]
    assert max((path == states).mean(), (path != states).mean()) > 0.9


def test_symbols_in_a_table(rng):
    X = table(rng)
    X[3, 1] = np.nan
    model = Independent(MIXED).fit([X])
    alone = Independent(Categorical(0.5)).fit([[None if np.isnan(code) else int(code) for code in X[:, 1]]])
    np.testing.assert_allclose(model.emission_.factors[1].probabilities, alone.emission_.probabilities)
    term = model.log_likelihoods([[[np.nan, 1.0]]])[0][0]
    assert term == pytest.approx(alone.log_likelihoods([[1]])[0][0])


def test_symbols_that_are_no_codes_are_refused_with_advice():
    with pytest.raises(TypeError, match=r"X holds symbols in 2 columns; .* symbols are codes 0, 1, .*Product says"):
        Independent(MIXED).fit([[[1.5, "a"], [2.5, "b"]]])


def test_codes_larger_than_any_seen(rng):
    """One unknown symbol has mass where there is a pseudo-count, and stands for all; else they are impossible."""
    X = table(rng)
    unknown = [[[np.nan, 3.0]], [[np.nan, 17.0]]]
    smoothed = Independent(MIXED).fit([X])
    assert smoothed.emission_.factors[1].probabilities.shape == (4,)
    np.testing.assert_allclose(smoothed.log_likelihood(unknown), np.log(0.5 / 42))
    plain = Independent(Product([Gaussian(), Categorical()])).fit([X])
    assert plain.emission_.factors[1].probabilities.shape == (3,)
    np.testing.assert_array_equal(plain.log_likelihood(unknown), -np.inf)
    np.testing.assert_array_equal(HMM(1, Product([Gaussian(), Categorical()])).fit([X]).score(unknown), -np.inf)


def test_forecasts_hold_means_of_numbers_and_the_most_probable_code():
    """Of the mixture over states, which is not the code that is most probable in most states."""
    parameters = ProductParameters(
        (
            GaussianParameters(np.array([[0.0], [3.0], [6.0]]), np.ones((3, 1))),
            CategoricalParameters(np.array([[0.4, 0.3, 0.3], [0.0, 0.4, 0.6], [0.5, 0.5, 0.0]])),
        )
    )
    product = Product([Gaussian(), Categorical()])
    model = HMM.from_parameters([1 / 3] * 3, np.full((3, 3), 1 / 3), parameters, product)
    np.testing.assert_allclose(model.predict_next([[[0.0, 0.0]]]).mean(), [[3.0, 1.0]])
    np.testing.assert_allclose(model.predict([[[0.0, 0.0]]], n_steps=2)[0], [[3.0, 1.0]] * 2)
    np.testing.assert_allclose(product.mean(parameters), [[0, 0], [3, 2], [6, 0]])
    mixed = Mixture(product, 3)
    pooled = mixed.Parameters(np.full((1, 3), 1 / 3), type(parameters)(*[_in_front(parameters.factors)]))
    np.testing.assert_allclose(mixed.mean(pooled), [[3.0, 1.0]])


def _in_front(factors):
    return tuple(type(part)(*(array[None] for array in part)) for part in factors)


def test_intervals_round_the_columns_of_whole_numbers_only(rng):
    X = np.column_stack([rng.normal(size=200), rng.poisson(4, 200)])
    lower, upper = Independent(Product([Gaussian(), Poisson()])).fit([X]).predict_next([X]).interval(0.8)
    assert lower[0, 1] == np.round(lower[0, 1]) and upper[0, 1] == np.round(upper[0, 1])
    assert upper[0, 0] != np.round(upper[0, 0])
    np.testing.assert_array_equal(Product([Gaussian(), Poisson()], [1, 0]).whole_columns, [True, False])
    np.testing.assert_array_equal(Mixture(Product([Gaussian(), Poisson()])).whole_columns, [False, True])


def test_given_parameters_may_be_dicts(rng):
    X, start = [table(rng)], {"factors": [{"means": [[0.0], [20.0]], "covariances": [[9.0], [9.0]]}]}
    start["factors"].append({"probabilities": [[0.6, 0.2, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1]]})
    model = HMM(2, MIXED, init={"emission": start}, max_iter=0).fit(X)
    np.testing.assert_allclose(model.emission_.factors[1].probabilities, start["factors"][1]["probabilities"])
    with pytest.raises(ValueError, match="emission has 1 factors; 2 are accepted"):
        HMM(2, MIXED, init={"emission": {"factors": start["factors"][:1]}}).fit(X)
    with pytest.raises(ValueError, match=r"emission has the keys \['means'\]; \['factors'\] are accepted"):
        HMM(2, MIXED, init={"emission": {"means": 0}}).fit(X)
    start["factors"][1]["probabilities"][0][0] = 0.9
    with pytest.raises(ValueError, match="as the sum of probabilities, only ones"):
        HMM(2, MIXED, init={"emission": start}).fit(X)


def test_clusters_are_those_of_the_numbers(rng):
    values = table(rng)
    np.testing.assert_array_equal(MIXED.points(values), Gaussian().points(values[:, :1]))
    assert Product([Categorical(), Categorical()]).points(values) is None


def test_samples_of_whole_numbers_are_of_the_type_that_they_came_in(rng):
    X = [np.column_stack([rng.poisson(3, 30), rng.integers(2, size=30)])]
    assert Independent(Product([Poisson(), Categorical()])).fit(X).sample(random_state=0)[0].dtype == np.int64
    assert Independent(Product([Gaussian(), Categorical()])).fit(X).sample(random_state=0)[0].dtype == float


def test_a_column_of_codes_may_be_missing_altogether():
    X = np.column_stack([np.arange(5.0), np.full(5, np.nan)])
    model = Independent(Product([Gaussian(), Categorical()])).fit([X])
    assert model.score([X]) == pytest.approx(Independent(Gaussian()).fit([X[:, :1]]).score([X[:, :1]]))


def test_tiles_are_those_of_the_factors(rng):
    """A table with a continuous factor goes through the E-step in tiles, states padded."""
    values = np.column_stack([rng.normal(size=50), rng.poisson(3, 50), rng.integers(3, size=50)])
    values[rng.random(values.shape) < 0.1] = np.nan
    product, sequences = Product([Gaussian(), Poisson(), Categorical()]), Sequences.wrap([values])
    assert not product.discrete and Product([Poisson(), Categorical()]).discrete
    visits = rng.random((50, 3))
    parameters = product.initial_parameters(values, visits, product.rough(sequences), rng)
    tiles, out = product.in_tiles(parameters, 4), np.full((50, 4), np.nan)
    tiles.fill_log_table(values, out)
    np.testing.assert_allclose(out[:, :3], product.log_table(values, parameters), rtol=1e-12)
    assert np.all(out[:, 3] == -np.inf)
    padded = np.hstack([visits, np.zeros((50, 1))])
    expected = product.maximize(product.sufficient_statistics(values, visits, parameters), parameters)
    own = product.maximize(tiles.statistics(values, padded), parameters)
    for a, b in zip(own.factors, expected.factors, strict=True):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-10)


@pytest.mark.parametrize("K", [3, 40])
@pytest.mark.parametrize(
    "factor", [Poisson(), Bernoulli(), ZeroInflated(Poisson()), Categorical(0.5), Mixture(Poisson(), 2)], ids=str
)
def test_tables_of_small_numbers_equal_one_by_one(factor, K, rng):
    """Of counts, bits and symbols beside a number, some missing; and of counts beyond any table."""
    product, n = Product([Gaussian(), factor]), 60
    numbers = rng.integers(2 if isinstance(factor, Bernoulli) else 5, size=n) * 1.0
    for largest in (None, 1e6):
        if largest and isinstance(factor, Bernoulli | Categorical):
            continue
        if largest:
            numbers[7] = largest
        values = np.column_stack([rng.normal(size=n), numbers])
        values[rng.random(values.shape) < 0.2] = np.nan
        sequences, visits = Sequences.wrap([values]), rng.random((n, K))
        parameters = product.initial_parameters(values, visits, product.rough(sequences), rng)
        width = padded_width(K)
        tiles, table = product.in_tiles(parameters, width), np.empty((n, width))
        tiles.fill_log_table(values, table)
        expected = product.log_density(values[:, None], parameters)
        np.testing.assert_allclose(table[:, :K], expected, rtol=1e-10, atol=1e-10)
        assert np.all(table[:, K:] == -np.inf)
        found = tiles.statistics(values, padded(visits, n, width))
        plain = product.sufficient_statistics(values, visits, parameters)
        map_arrays(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), found, plain)


def test_it_is_known_which_columns_hold_symbols():
    within = Product([Poisson(), Categorical(0.5)])
    assert list(Product([within, Gaussian(), Mixture(Categorical(), 2)], [[3, 1], 2, 0]).symbolic_columns) == [0, 1]
    assert list(Mixture(within, 2).symbolic_columns) == [1]
    assert list(Product([Poisson(), Gaussian()]).symbolic_columns) == []
    assert list(Gaussian().symbolic_columns) == list(Categorical().symbolic_columns) == []
