"""Sixty random combinations of all that a network can be made of: gradients against central differences.

Seeded by SEQMODELS_SEED, 0 by default. Kernels are not compiled for them, which would take longer than to run them.
"""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from seqmodels.emissions import (
    Bernoulli,
    Categorical,
    Gaussian,
    Laplace,
    Mixture,
    NegativeBinomial,
    Poisson,
    StudentT,
    ZeroInflated,
)
from seqmodels.rnn import RNN
from seqmodels.rnn.diagnostics import random_weights
from seqmodels.rnn.dropout import Dropout
from seqmodels.rnn.layers import OUTPUT
from seqmodels.rnn.network import Network

from .cases import KINDS
from .variants import interpreted

DEFAULT_SEED, N_COMBINATIONS, STEP = 0, 60, 3e-5
SEED = int(os.environ.get("SEQMODELS_SEED", DEFAULT_SEED))

EITHER = (True, False)
READ = ("tanh", "sigmoid", "relu", "identity")
CHOICES = {  # of each option, by what it is by default
    "bias": [EITHER],
    "activation": [("tanh", "relu", "sigmoid")],
    "reset": [("after", "before")],
    "gate_activation": [("sigmoid", "hard_sigmoid")],
    "input_activation": [READ],
    "output_activation": [READ],
    "without": [(None, None, "input_gate", "forget_gate", "output_gate")],
    "full_gate_recurrence": [EITHER],
    "peepholes": [("diagonal", "full"), EITHER],
}

EMISSIONS = {
    "symbols": [Categorical(), Categorical(unknown="error")],
    "bits": [Bernoulli(), Mixture(Bernoulli(), 2)],
    "counts": [Poisson(), NegativeBinomial(), ZeroInflated(Poisson())],
    "numbers": [
        *map(Gaussian, ("diagonal", "spherical", "tied", "full")), StudentT(), Laplace(), Mixture(Gaussian(), 2),
    ],
}  # fmt: skip


def random_cell(choose):
    """A small one with any of its options."""
    kind = KINDS[choose.integers(len(KINDS))]
    cell = kind()
    for name, value in cell.get_params(deep=False).items():
        choices = [own for own in CHOICES.get(name, ()) if value in own]
        if choices:
            cell.set_params(**{name: choices[0][choose.integers(len(choices[0]))]})
        elif name.startswith("n_") and value is not None:
            cell.set_params(**{name: int(choose.integers(1, 4))})
    if "LayerNorm" in kind.__name__:  # two units that are alike are normalised to anything
        cell.set_params(n_hidden=4)
    if getattr(cell, "without", None) is not None:
        cell.set_params(full_gate_recurrence=False)  # which needs all gates
    cell.check()
    return cell


def random_data(kind, choose):
    """Ragged sequences, the first of several steps, with and without gaps."""
    lengths, missing = [4, *choose.integers(1, 6, 2)], choose.random() < 0.5
    if kind == "symbols":
        X = [[0, 1, 2, 0], *(choose.integers(3, size=length).tolist() for length in lengths[1:])]
        if missing:
            X[0][1] = X[1][-1] = None
        return X
    draw = {
        "bits": lambda shape: choose.integers(2, size=shape) * 1.0,
        "counts": lambda shape: choose.negative_binomial([1, 1], [0.2, 0.1], shape) * 1.0,
        "numbers": lambda shape: choose.normal([50, -3], [10, 1], shape),
    }[kind]
    X = [draw((length, 2)) for length in lengths]
    if missing:
        X[0][1, 0] = np.nan
        X[1][-1] = np.nan
    return X


class Combination:
    """Everything that one number and a seed decide."""

    def __init__(self, number, seed=SEED):
        choose = self.choose = np.random.default_rng([seed, number])
        self.kind = list(EMISSIONS)[choose.integers(4)]
        emission = EMISSIONS[self.kind][choose.integers(len(EMISSIONS[self.kind]))]
        X = random_data(self.kind, choose)
        self.cells = [random_cell(choose) for _ in range(choose.integers(1, 4))]
        embedding = 2 if self.kind == "symbols" and choose.random() < 0.4 else None
        context = choose.normal(size=(3, 2)) if choose.random() < 0.3 else None
        self.truncation = [None, 1, 2, 3][choose.integers(4)]
        self.rates = {name: 0.4 for name in ("passed", "recalled") if choose.random() < 0.4}
        row_weights = choose.uniform(0.2, 2, sum(map(len, X))) if choose.random() < 0.5 else None
        self.words = (
            f"SEQMODELS_SEED={seed}, combination {number}: {emission} above {self.cells}, embedding {embedding}, "
            f"context {context is not None}, truncation {self.truncation}, dropout {self.rates}, "
            f"weights {row_weights is not None}"
        )
        options = {"embedding": embedding, "dtype": "float64", "max_epochs": 0, "validation_fraction": 0}
        model = RNN(self.cells, emission, **options).fit(X, context=context)
        self.network, self.sequences = model._network, model._known(X, context=context)
        self.counted = self.sequences.scored * (1.0 if row_weights is None else row_weights)
        self.weighted = self.network.weighted(self.sequences, row_weights, self.truncation)
        self.vector = random_weights(self.network, choose)

    def updates(self):
        """For each window, a function of weights: log-likelihood and gradient, under the same masks whenever asked."""
        for number, window in enumerate(self.network.windows(self.weighted, np.array([2, 0, 1]))):
            start = None if window.state is None else window.state.copy()

            def update(vector, state=None, number=number, which=window.which, start=start):
                state = start.copy() if state is None and start is not None else state
                dropout = Dropout(self.rates, np.random.default_rng([7, number])) if self.rates else None
                value, mass, gradient = self.network.loss_and_gradient(
                    vector, self.weighted, which, state=state, dropout=dropout
                )
                return value, -mass * gradient

            yield update
            update(self.vector, window.state)  # leaves the state to go on from

    def check(self):
        """Raise an AssertionError that says what is wrong."""
        total = 0.0
        for update in self.updates():
            value, gradient = update(self.vector)
            total += value
            for key, own in self.network.named(gradient).items():
                self._check_direction(update, key, own)
        if not self.rates:
            terms = self.network.terms(self.network.ready(self.vector), self.sequences)
            assert total == pytest.approx(self.counted @ terms, rel=1e-11), self.words

    def _check_direction(self, update, key, own):
        """The derivative along a random direction of one array, which no wrong entry leaves as it is."""
        direction = self.choose.normal(size=own.shape)
        if key == (OUTPUT, "weight"):
            direction[:, self.network.family.constant_raw(self.network.marginal)] = 0
        values = []
        for steps in (-2, -1, 1, 2):
            vector = self.vector.copy()
            self.network.named(vector)[key][...] += steps * STEP * direction
            values.append(update(vector)[0])
        truth = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * STEP)
        scale = np.abs(own).max(initial=0.0) * np.linalg.norm(direction)
        error = abs((own * direction).sum() - truth)
        assert error <= 1e-7 * scale + 1e-9, f"{key} {error / (scale or 1):.1e}: {self.words}"


def check_all():
    for number in range(N_COMBINATIONS):
        Combination(number).check()


def test_random_combinations():
    print(f"SEQMODELS_SEED={SEED}")
    if numba.config.DISABLE_JIT:
        check_all()
        return
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths, "SEQMODELS_SEED": str(SEED)}
    code = "from rnn.test_combinations import check_all; check_all()"
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]


def test_combinations_are_of_all_kinds():
    """The numbers of the default seed: all cells, kinds of data, depths, truncations and so on are among them."""
    combinations = [Combination(number, DEFAULT_SEED) for number in range(20)]
    assert {type(cell) for each in combinations for cell in each.cells} == set(KINDS)
    assert {each.kind for each in combinations} == set(EMISSIONS)
    assert {len(each.cells) for each in combinations} == {1, 2, 3}
    assert {each.truncation for each in combinations} == {None, 1, 2, 3}
    for part in ("context True", "embedding 2", "passed", "recalled", "weights True"):
        assert any(part in each.words for each in combinations), part


@interpreted
def test_a_wrong_gradient_is_found(monkeypatch):
    right = Network.loss_and_gradient

    def wrong(self, *arguments, **options):
        value, mass, gradient = right(self, *arguments, **options)
        self.named(gradient)[0, "recurrent"][0, -1] *= 1 + 1e-4
        return value, mass, gradient

    monkeypatch.setattr(Network, "loss_and_gradient", wrong)
    with pytest.raises(AssertionError, match=rf"\(0, 'recurrent'\) .*e-0[456]: SEQMODELS_SEED={SEED}, combination"):
        for number in range(5):
            Combination(number).check()
