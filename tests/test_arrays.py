from typing import NamedTuple

import numpy as np
import pytest

from seqmodels.arrays import choose, map_arrays, take


class Inner(NamedTuple):
    means: np.ndarray
    scales: np.ndarray


class Outer(NamedTuple):
    weights: np.ndarray
    components: Inner


@pytest.fixture
def nested():
    return Outer(np.array([1.0, 2.0]), Inner(np.array([[3.0], [4.0]]), np.array([5.0, 6.0])))


def test_map_arrays_keeps_the_types_of_all_levels(nested):
    doubled = map_arrays(lambda a: 2 * a, nested)
    assert isinstance(doubled, Outer)
    assert isinstance(doubled.components, Inner)
    np.testing.assert_array_equal(doubled.components.means, [[6.0], [8.0]])


def test_map_arrays_takes_several_of_one_shape(nested):
    total = map_arrays(np.add, nested, map_arrays(np.negative, nested))
    assert not total.weights.any()
    assert not total.components.scales.any()
    with pytest.raises(ValueError):
        map_arrays(np.add, nested, nested.components._replace(means=nested))


def test_take_indexes_the_leading_axis_of_every_array(nested):
    second = take(nested, 1)
    assert second.weights == 2
    np.testing.assert_array_equal(second.components.means, [4.0])
    assert take(nested, slice(0, 1)).components.scales.shape == (1,)


def test_choices_have_their_probabilities(rng):
    probabilities = np.array([[0.2, 0.0, 0.8], [1.0, 0.0, 0.0], [0.0, 0.3, 0.7]])
    n = 20_000
    chosen = choose(np.broadcast_to(probabilities, (n, 3, 3)), rng)
    assert chosen.shape == (n, 3)
    frequencies = np.array([np.bincount(column, minlength=3) for column in chosen.T]) / n
    np.testing.assert_array_equal(frequencies[probabilities == 0], 0)
    np.testing.assert_allclose(frequencies, probabilities, atol=4.5 * 0.5 / np.sqrt(n))


@pytest.mark.parametrize("uniform", [0.0, np.nextafter(1.0, 0.0)])
def test_the_ends_of_the_unit_interval_choose_symbols_of_positive_probability(uniform):
    class Constant:
        def random(self, shape):
            return np.full(shape, uniform)

    probabilities = np.array([0.0, 0.3, 0.3, 0.3, 0.1])
    assert probabilities[choose(probabilities, Constant())] > 0


def test_weights_need_not_sum_to_one(rng):
    chosen = choose(np.broadcast_to([1.0, 3.0], (10_000, 2)), rng)
    assert chosen.mean() == pytest.approx(0.75, abs=0.02)
