"""Every cell and every family that a network can have, on small ragged data with gaps."""

import numpy as np
import pytest

import seqmodels.rnn
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Poisson
from seqmodels.rnn import GRU, LSTM, RNN, Cell, Elman
from seqmodels.rnn.layers import OUTPUT

KINDS = [each for each in vars(seqmodels.rnn).values() if isinstance(each, type) and issubclass(each, Cell)]
KINDS.remove(Cell)

CELLS = {
    "Elman tanh": Elman(3),
    "Elman tanh, no bias": Elman(3, bias=False),
    "Elman relu": Elman(3, "relu"),
    "Elman relu, no bias": Elman(3, "relu", bias=False),
    "Elman sigmoid": Elman(3, "sigmoid"),
    "Elman sigmoid, no bias": Elman(3, "sigmoid", bias=False),
    "LSTM": LSTM(2),
    "LSTM, no bias": LSTM(2, bias=False),
    "GRU after": GRU(2),
    "GRU after, no bias": GRU(2, bias=False),
    "GRU before": GRU(2, "before"),
    "GRU before, no bias": GRU(2, "before", bias=False),
    "LSTM above GRU above Elman": [Elman(2), GRU(3), LSTM(2)],
    "GRU before above LSTM": [LSTM(2, bias=False), GRU(2, "before")],
}

EMISSIONS = {
    "Categorical": Categorical(),
    "Categorical without the unknown symbol": Categorical(unknown="error"),
    "Bernoulli": Bernoulli(),
    "Poisson": Poisson(),
    "Gaussian diagonal": Gaussian(),
    "Gaussian spherical": Gaussian("spherical"),
    "Gaussian tied": Gaussian("tied"),
}

CASES = [  # families that have kernels of their own are compiled once more for each cell
    (cell, emission)
    for cell in CELLS
    for emission in EMISSIONS
    if emission in ("Categorical", "Gaussian diagonal") or cell in ("LSTM", "LSTM above GRU above Elman")
]
every_case = pytest.mark.parametrize(
    ("cell", "emission"), [(CELLS[cell], EMISSIONS[emission]) for cell, emission in CASES], ids=map("-".join, CASES)
)

LENGTHS = (5, 1, 3, 2)


def sequences_for(emission):
    """Ragged sequences in which entries and whole observations are missing, also first and last ones."""
    generator = np.random.default_rng(7)
    if emission.symbolic:
        X = [generator.integers(4, size=length).tolist() for length in LENGTHS]
        X[0][1] = X[2][0] = X[2][2] = None
        return X
    if isinstance(emission, Bernoulli):
        X = [generator.integers(2, size=(length, 3)) * 1.0 for length in LENGTHS]
    elif isinstance(emission, Poisson):
        X = [generator.poisson([2, 5], (length, 2)) * 1.0 for length in LENGTHS]
    else:
        X = [generator.normal([1000, -3], [100, 1], (length, 2)) for length in LENGTHS]
    X[0][1, 0] = np.nan
    X[2][0], X[2][2] = np.nan, np.nan
    return X


def network_with_random_weights(cell, emission, X, context=None, seed=2, **options):
    """A model in float64 whose every weight is drawn at random; with this seed, no rectified unit is always off."""
    options = {"dtype": "float64", "max_epochs": 0, "validation_fraction": 0} | options
    model = RNN(cell, emission, **options).fit(X, context=context)
    generator = np.random.default_rng(seed)
    network = model._network
    model._weights = generator.normal(scale=0.6, size=network.n_weights)
    network.named(model._weights)[OUTPUT, "weight"][:, network.family.constant_raw(network.marginal)] = 0
    return model
