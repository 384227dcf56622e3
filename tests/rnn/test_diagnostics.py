"""The check of gradients finds what is right to be right, and what is wrong to be wrong."""

import pytest
from sklearn.base import clone

from seqmodels.emissions import Categorical, Gaussian, Mixture, Poisson
from seqmodels.rnn import GRU, LSTM, RNN, Elman
from seqmodels.rnn import network as module

from .cases import sequences_for

CASES = {
    "symbols": (RNN(LSTM(3)), Categorical()),
    "tied": (RNN(GRU(2)), Gaussian("tied")),
    "truncated, dropped": (
        RNN([GRU(2, "before"), LSTM(3)], truncation=2, dropout=0.4, recurrent_dropout=0.3),
        Categorical(),
    ),
    "embedded": (RNN(GRU(2), embedding=2), Categorical()),
    "mixture": (RNN(Elman(2)), Mixture(Gaussian(), 2)),
}


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(("model", "emission"), CASES.values(), ids=CASES.keys())
def test_gradients_are_right_in_any_network_fitted_or_not(model, emission, fitted):
    X = sequences_for(emission)
    precision = "float32" if emission == CASES["tied"][1] else "float64"  # of the network; the check's is double
    model = clone(model).set_params(emission=emission, max_epochs=1, random_state=0, dtype=precision)
    if fitted:
        model.fit(X)
    names = set(clone(model).fit(X).weights_)
    before = dict(vars(model))
    check = model.check_gradients(X, n_entries=4)
    assert vars(model) == before  # an unfitted model stays so
    assert check.error <= 1e-7
    assert check.error == max(checked.error for checked in check.values())
    assert set(check) == names
    assert all(checked.n_entries <= 4 for checked in check.values())
    assert check["weight_out"].largest > 0


def test_all_entries_are_checked_where_no_number_is_given():
    X = sequences_for(Poisson())
    model = RNN(Elman(2), Poisson(), max_epochs=0).fit(X)
    check = model.check_gradients(X, n_entries=None)
    assert {name: checked.n_entries for name, checked in check.items()} == {
        name: array.size for name, array in model.weights_.items()
    }
    assert check.error <= 1e-7


def test_a_context_enters_the_check(rng):
    X, context = sequences_for(Gaussian()), rng.normal(size=(4, 2))
    check = RNN(GRU(2), Gaussian()).check_gradients(X, n_entries=3, context=context)
    assert check["weight_context_l0"].error <= 1e-7


def test_a_wrong_gradient_is_found(monkeypatch):
    X, right = sequences_for(Categorical()), module.Network.loss_and_gradient

    def wrong(self, *arguments):
        value, mass, gradient = right(self, *arguments)
        self.named(gradient)[0, "recurrent"][...] *= 1.001
        return value, mass, gradient

    monkeypatch.setattr(module.Network, "loss_and_gradient", wrong)
    check = RNN(LSTM(2)).check_gradients(X, n_entries=None)
    assert check["weight_hh_l0"].error == pytest.approx(1e-3, rel=1e-2)
    assert max(checked.error for name, checked in check.items() if name != "weight_hh_l0") <= 1e-7


def test_a_network_at_its_start_has_no_gradient_below_the_output():
    X = sequences_for(Poisson())
    check = RNN(Elman(2), Poisson(), max_epochs=0).fit(X).check_gradients(X, n_entries=2)
    assert check["weight_hh_l0"].largest < 1e-11
    assert check["bias_out"].error <= 1e-7 and check["bias_out"].largest > 0


def test_it_prints_as_a_table():
    X = sequences_for(Poisson())
    lines = repr(RNN(Elman(2), Poisson()).check_gradients(X, n_entries=2)).splitlines()
    assert lines[0].split() == ["weight", "entries", "largest", "gradient", "relative", "error"]
    assert [line.split()[:2] for line in lines[1:]] == [
        [name, "2"] for name in ("weight_ih_l0", "weight_hh_l0", "bias_l0", "weight_out", "bias_out")
    ]
    assert len({len(line) for line in lines}) == 1


def test_the_number_of_entries_is_checked():
    with pytest.raises(ValueError, match="n_entries is 0; integers from 1"):
        RNN().check_gradients(["ab"], n_entries=0)
