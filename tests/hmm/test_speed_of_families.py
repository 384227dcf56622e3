"""No family costs more than three times a diagonal Gaussian in an iteration of EM."""

import time

import numpy as np
import pytest

from seqmodels import HMM
from seqmodels.emissions import Gaussian

from .cases import FAMILIES, sequences

OTHERS = [name for name in FAMILIES if name != "Gaussian, diagonal"]
GAPS = ["Gaussian, full", "Gaussian, tied", "StudentT", "autoregressive of order 2"]


def seconds_per_iteration(emission, X):
    """Of the processor, so that others on it do little harm; the least of several runs' medians."""

    def seconds():
        ends = []
        HMM(
            4, emission, init="random", max_iter=12, tol=0, random_state=0,
            callbacks=[lambda model, record: ends.append(time.process_time())],
        ).fit(X)  # fmt: skip
        return np.median(np.diff(ends)[1:])

    return min(seconds() for _ in range(5))


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize(("family", "gaps"), [(name, 0.0) for name in OTHERS] + [(name, 0.1) for name in GAPS])
def test_an_iteration_costs_at_most_three_times_that_of_a_gaussian(family, gaps):
    generator = np.random.default_rng(0)
    X = sequences(family, generator, lengths=(20_000,))
    if gaps:
        X[0][generator.random(X[0].shape) < gaps] = np.nan
    gaussian = seconds_per_iteration(Gaussian(), sequences("Gaussian, diagonal", np.random.default_rng(0), (20_000,)))
    components = getattr(FAMILIES[family], "n", 1)  # each may cost as much
    assert seconds_per_iteration(FAMILIES[family], X) < 3 * components * gaussian
