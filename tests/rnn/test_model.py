"""The network as a model: fitting, what is held out, what is recorded, and that it learns."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from seqmodels import Independent, Sequences
from seqmodels.emissions import AutoregressiveGaussian, Bernoulli, Categorical, Gaussian, Poisson
from seqmodels.rnn import GRU, LSTM, RNN, SGD, Adam, Elman

WORDS = ["abcab", "cabca", "bc", "abcabcab", "a", "cab", "bcabc", "abca", "cabc", "bca"]


def small(cell=None, emission=None, **options):
    """A network that is quick to fit."""
    options = {"dtype": "float64", "max_epochs": 2, "batch_size": 4, "random_state": 0} | options
    return RNN(Elman(2) if cell is None else cell, emission, **options)


def same_weights(a, b):
    return all(np.array_equal(array, b.weights_[name]) for name, array in a.weights_.items())


# -------------------------------------------------------------------- records


def test_records_of_fitting():
    model = small(max_epochs=3).fit(WORDS)
    assert model.n_iter_ == 3
    assert not model.converged_
    assert [record["epoch"] for record in model.history_] == [0, 1, 2, 3]
    assert model.history_[0]["train"] is None
    assert all(isinstance(record["train"], float) for record in model.history_[1:])
    assert all(isinstance(record["validation"], float) for record in model.history_)
    assert np.diff([record["seconds"] for record in model.history_]).min() >= 0
    assert str(model.family_) == "Categorical()"
    assert model.alphabet_ == ("a", "b", "c")
    assert model.n_parameters_ == sum(array.size for array in model.weights_.values())


def test_the_training_record_is_the_mean_over_the_epoch():
    """A learning rate of next to nothing leaves the model where it starts."""
    model = small(optimizer=SGD(1e-300), validation_fraction=0).fit(WORDS)
    assert model.history_[1]["train"] == pytest.approx(Independent().fit(WORDS).score(WORDS))


def test_the_validation_record_is_the_score_of_held_out_sequences():
    model = small(max_epochs=3, optimizer=SGD(1e-3)).fit(WORDS[:6], validation=WORDS[6:])
    best = max(model.history_, key=lambda record: record["validation"])
    assert model.score(WORDS[6:]) == pytest.approx(best["validation"])


def test_verbose_prints_each_epoch(capsys):
    small(verbose=1).fit(WORDS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 0  validation -")
    assert lines[1].startswith("epoch 1  train -")


def test_weights_have_the_layout_of_pytorch():
    model = small([LSTM(3), GRU(2, bias=False)]).fit(WORDS)
    assert {name: array.shape for name, array in model.weights_.items()} == {
        "weight_ih_l0": (12, 6), "weight_hh_l0": (12, 3), "bias_l0": (12,),
        "weight_ih_l1": (6, 3), "weight_hh_l1": (6, 2),
        "weight_out": (4, 2), "bias_out": (4,),
    }  # fmt: skip
    model.weights_["bias_out"][:] = 7  # copies
    assert not (model.weights_["bias_out"] == 7).any()


# -------------------------------------------------------------------- what is held out


def training_and_validation(model, X, **options):
    """The sequences that fitting trained on, and those it held out."""
    taken = {}
    hold_out = RNN._hold_out

    class Watched(RNN):
        def _hold_out(self, sequences, weights, generator):
            taken["training"], taken["validation"], taken["weights"] = hold_out(self, sequences, weights, generator)
            return taken["training"], taken["validation"], taken["weights"]

    model.__class__ = Watched
    model.fit(X, **options)
    return taken["training"], taken["validation"], taken["weights"]


@pytest.mark.parametrize(("fraction", "n_held"), [(0.1, 1), (0.3, 3), (0.5, 5), (0.99, 9), (0.01, 1)])
def test_a_share_of_the_sequences_is_held_out(fraction, n_held):
    training, validation, _ = training_and_validation(small(validation_fraction=fraction, max_epochs=0), WORDS)
    assert len(validation) == n_held
    assert sorted([*training, *validation]) == sorted(WORDS)


def test_weights_stay_with_their_sequences():
    X = [[float(n)] * 2 for n in range(1, 9)]
    model = small(emission=Poisson(), validation_fraction=0.5, max_epochs=0)
    training, _, weights = training_and_validation(model, X, sample_weight=np.arange(1.0, 9.0))
    np.testing.assert_array_equal(training.values[::2, 0], weights)


def test_of_a_single_series_the_tail_is_held_out_given_its_past():
    x = np.arange(20.0)
    training, validation, _ = training_and_validation(small(validation_fraction=0.25, max_epochs=0), [x])
    np.testing.assert_array_equal(training[0], x[:15])
    np.testing.assert_array_equal(validation[0], x)
    np.testing.assert_array_equal(validation.scored, x >= 15)


@pytest.mark.parametrize(
    "X", [[[1.0]], [[np.nan] * 9 + [1.0]], [[1.0, 2.0] + [np.nan] * 8], [[1.0, 2.0], [np.nan]]], ids=str
)
def test_nothing_is_held_out_where_nothing_could_be_scored_or_learnt(X):
    model = small(emission=Poisson()).fit(X)
    assert [record["validation"] for record in model.history_] == [None] * 3


def test_without_a_share_nothing_is_held_out():
    model = small(validation_fraction=0, max_epochs=4, patience=1).fit(WORDS)
    assert model.n_iter_ == 4
    assert all(record["validation"] is None for record in model.history_)


# -------------------------------------------------------------------- best weights and stopping


ABSURD = {"Categorical": (Categorical(), 1e4), "Bernoulli": (Bernoulli(), 1e4), "Gaussian": (Gaussian(), 10.0)}


@pytest.mark.parametrize(("emission", "learning_rate"), ABSURD.values(), ids=ABSURD.keys())
def test_an_absurd_learning_rate_cannot_do_worse_than_the_independent_model(emission, learning_rate, rng):
    X = [rng.integers(2, size=(6, 1)) * 1.0 for _ in range(8)]
    model = small(emission=emission, optimizer=SGD(learning_rate), clip_norm=None, max_epochs=4, patience=2)
    model.fit(X[:5], validation=X[5:])
    assert model.history_[1]["validation"] < model.history_[0]["validation"]
    independent = Independent(emission).fit(X[:5])
    assert model.score(X[5:]) >= independent.score(X[5:]) - 1e-12
    assert model.converged_ and model.n_iter_ == 2
    assert not model.weights_["weight_out"].any()


def test_callbacks_see_every_epoch_and_can_stop():
    seen = []

    def callback(model, record):
        seen.append((record["epoch"], model.score(["abc"])))  # a model in training can be used
        return record["epoch"] == 2

    other = []
    model = small(max_epochs=9, callbacks=[callback, lambda model, record: other.append(record)]).fit(WORDS)
    assert [epoch for epoch, _ in seen] == [0, 1, 2]
    assert len({score for _, score in seen}) == 3
    assert other == model.history_
    assert model.n_iter_ == 2 and not model.converged_


def test_what_a_callback_returns_has_to_be_true_itself_to_stop():
    assert small(callbacks=[lambda model, record: 1]).fit(WORDS).n_iter_ == 2


# -------------------------------------------------------------------- seeds, weights, precision


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_seeds_reproduce_bit_for_bit(dtype):
    first, second, other = (small(dtype=dtype, random_state=seed).fit(WORDS) for seed in (1, 1, 2))
    assert same_weights(first, second)
    assert not same_weights(first, other)
    assert all(array.dtype == dtype for array in first.weights_.values())
    histories = [[r | {"seconds": 0} for r in model.history_] for model in (first, second)]
    assert histories[0] == histories[1]


def test_single_precision_stays_close_to_double():
    single, double = (small(LSTM(2), dtype=dtype, optimizer=SGD(0.1)).fit(WORDS) for dtype in ("float32", "float64"))
    for name, array in double.weights_.items():
        np.testing.assert_allclose(single.weights_[name], array, atol=1e-5)
    np.testing.assert_allclose(single.log_likelihood(WORDS), double.log_likelihood(WORDS), rtol=1e-5)


def test_a_weight_of_two_equals_the_sequence_twice():
    """In one batch; the marginal under the network is weighted too."""
    options = {"validation_fraction": 0, "batch_size": 100, "optimizer": SGD(0.1), "max_epochs": 3}
    a, b, c = WORDS[:3]
    weighted = small(**options).fit([a, b, c], sample_weight=[1, 2, 0.5])
    doubled = small(**options).fit([a, b, b, c], sample_weight=[1, 1, 1, 0.5])
    for name, array in weighted.weights_.items():
        np.testing.assert_allclose(doubled.weights_[name], array, rtol=1e-9, atol=1e-12)
    assert weighted.history_[1]["train"] == pytest.approx(doubled.history_[1]["train"])
    np.testing.assert_allclose(weighted.marginal_.probabilities, doubled.marginal_.probabilities)


def test_sequences_of_weight_zero_are_not_learnt_from():
    options = {"validation_fraction": 0.5, "max_epochs": 1}
    X = Sequences.wrap(WORDS)
    without = small(**options).fit(X[[0, 3, 6, 7]])
    zero = small(**options).fit(X, sample_weight=[1, 0, 0, 1, 0, 0, 1, 1, 0, 0])
    assert same_weights(without, zero)


# -------------------------------------------------------------------- the annual flow of the Nile


NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
])  # fmt: skip


@pytest.mark.parametrize("emission", [Gaussian(), Gaussian("spherical"), Poisson()], ids=str)
def test_the_raw_nile_series_needs_no_scaling_in_single_precision(emission):
    """Flows of about 900 with a deviation of about 170 (10^8 m^3 a year at Aswan, 1871-1970)."""
    start = RNN(LSTM(2), emission, max_epochs=0, validation_fraction=0, random_state=0).fit([NILE])
    independent = Independent(emission).fit([NILE])
    np.testing.assert_allclose(start.log_likelihoods([NILE])[0], independent.log_likelihoods([NILE])[0], rtol=1e-6)
    assert start.score([NILE]) == pytest.approx(independent.score([NILE]), abs=1e-6)
    fitted = clone(start).set_params(max_epochs=2, validation_fraction=0.1).fit([NILE])
    tail = Sequences.wrap([NILE]).given_past(90)
    assert fitted.score(tail) >= Independent(emission).fit([NILE[:90]]).score(tail) - 1e-6


# -------------------------------------------------------------------- errors


def test_a_run_that_diverges_says_so_and_leaves_the_model_as_it_was(rng):
    X = [rng.poisson(5, (6, 2)) for _ in range(5)]
    model = small(emission=Poisson(), dtype="float32").fit(X)
    terms, before = model.log_likelihood(X), dict(model.__dict__)
    model.set_params(optimizer=SGD(1e30), clip_norm=None)
    with pytest.raises(FloatingPointError, match=r"infinite or NaN in epoch .*; a smaller learning_rate or clip_norm"):
        model.fit(X)
    model.set_params(optimizer=None, clip_norm=1.0)
    assert model.__dict__ == before
    np.testing.assert_array_equal(model.log_likelihood(X), terms)
    fresh = small(emission=Poisson(), optimizer=SGD(1e30), clip_norm=None)
    with pytest.raises(FloatingPointError):
        fresh.fit(X)
    assert not hasattr(fresh, "family_")


def test_clipping_saves_that_run(rng):
    X = [rng.poisson(5, (6, 2)) for _ in range(5)]
    for options in ({"clip_norm": 1e-30}, {"clip_norm": None, "clip_value": 1e-30}):
        model = small(emission=Poisson(), optimizer=SGD(1e30), max_epochs=1, **options).fit(X)
        assert np.isfinite(model.score(X))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cell": "LSTM"}, TypeError, r"cell is 'LSTM'; a cell such as LSTM\(64\), or a list of them"),
        ({"cell": [LSTM(2), 3]}, TypeError, "cell is 3; a cell such as"),
        ({"cell": LSTM}, TypeError, "cell is .*LSTM.*; a cell such as"),
        ({"cell": []}, ValueError, "cell is an empty list; at least one layer"),
        ({"cell": LSTM(0)}, ValueError, "n_hidden is 0"),
        ({"optimizer": "adam"}, TypeError, "optimizer is 'adam'; an optimizer such as Adam"),
        ({"optimizer": Adam(0)}, ValueError, "learning_rate is 0"),
        ({"max_epochs": -1}, ValueError, "max_epochs is -1; integers from 0"),
        ({"max_epochs": 1.5}, ValueError, "max_epochs is 1.5; integers from 0"),
        ({"batch_size": 0}, ValueError, "batch_size is 0; integers from 1"),
        ({"patience": 0}, ValueError, "patience is 0; integers from 1"),
        ({"truncation": 0}, ValueError, "truncation is 0; integers from 1 and None"),
        ({"truncation": 2.0}, ValueError, "truncation is 2.0; integers from 1 and None"),
        ({"n_jobs": 0}, ValueError, "n_jobs is 0; None and integers but 0"),
        ({"clip_norm": 0}, ValueError, "clip_norm is 0; positive numbers and None"),
        ({"dropout": 1.0}, ValueError, r"dropout is 1.0; numbers in \[0, 1\)"),
        ({"dropout": np.nan}, ValueError, r"dropout is nan; numbers in \[0, 1\)"),
        ({"recurrent_dropout": -0.1}, ValueError, r"recurrent_dropout is -0.1; numbers in \[0, 1\)"),
        ({"weight_decay": -1}, ValueError, "weight_decay is -1; finite numbers from 0"),
        ({"clip_value": -1}, ValueError, "clip_value is -1; positive numbers and None"),
        ({"validation_fraction": 1}, ValueError, r"validation_fraction is 1; numbers in \[0, 1\)"),
        ({"validation_fraction": -0.1}, ValueError, r"validation_fraction is -0.1; numbers in \[0, 1\)"),
        ({"dtype": "float16"}, ValueError, "dtype is 'float16'; 'float32' and 'float64'"),
        ({"emission": "Poisson"}, TypeError, "emission is 'Poisson'; an emission such as"),
        (
            {"emission": AutoregressiveGaussian(1)},
            ValueError,
            r"AutoregressiveGaussian\(\) cannot be the output of a network",
        ),
    ],
)
def test_hyperparameters_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        RNN(**options).fit([[0.5, 1.0], [2.0]])


def test_weights_of_zero_may_not_leave_nothing():
    with pytest.raises(ValueError, match="sample_weight is 0 for every sequence of X with an observation"):
        small().fit([[1, 2], [None, None]], sample_weight=[0, 1])


# -------------------------------------------------------------------- scikit-learn


def test_nested_hyperparameters_and_grid_search():
    model = small(LSTM(2), Poisson()).set_params(cell__n_hidden=3, optimizer=Adam(), optimizer__learning_rate=0.1)
    assert (model.cell.n_hidden, model.optimizer.learning_rate) == (3, 0.1)
    assert RNN().get_params()["cell"] is None  # no object is shared between models
    X = [np.array(x) for x in ([1, 2, 0], [2, 2], [0, 1, 1, 3], [4, 0])]
    search = GridSearchCV(
        small(emission=Poisson(), max_epochs=1), {"cell__n_hidden": [1, 2]}, cv=2, error_score="raise"
    )
    search.set_params(estimator__cell=Elman(1)).fit(X)
    assert search.best_params_["cell__n_hidden"] in (1, 2)


def test_a_stack_can_be_cloned_and_pickled():
    model = small([LSTM(2), GRU(2)]).fit(WORDS)
    copied = clone(model)
    assert copied.cell is not model.cell and copied.cell[0] is not model.cell[0]
    assert same_weights(copied.fit(WORDS), model)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).log_likelihood(WORDS), model.log_likelihood(WORDS))


# -------------------------------------------------------------------- it learns


@pytest.mark.compiled
def test_a_network_learns_a_cycle_of_symbols():
    """With a period of five, in which the symbol before says too little, nothing but the start is uncertain."""
    X = [("aabab" * 10)[start : start + 40] for start in range(5)] * 4
    model = RNN(GRU(12), optimizer=Adam(0.02), max_epochs=60, batch_size=4, validation_fraction=0, random_state=0)
    model.fit(X)
    terms = np.array(model.log_likelihoods(X))
    assert terms[:, 5:].mean() > -0.005
    assert Independent().fit(X).score(X) < -0.6
    assert model.predict(["aababaa"], n_steps=6)[0] == "babaab"


@pytest.mark.compiled
def test_a_network_learns_autoregressive_numbers(rng):
    """x_t = 0.9 x_(t-1) + noise: knowing the past is worth log(1 / sqrt(1 - 0.81)) = 0.83 nats a step."""
    x = np.zeros((24, 60))
    for t in range(1, 60):
        x[:, t] = 0.9 * x[:, t - 1] + rng.normal(size=24)
    X, test = list(500 + 30 * x[:16, 10:]), list(500 + 30 * x[16:, 10:])
    model = RNN(GRU(8), Gaussian(), optimizer=Adam(0.01), max_epochs=60, batch_size=8, random_state=0).fit(X)
    assert model.score(test) > Independent().fit(X).score(test) + 0.5
    assert model.score(test) == pytest.approx(-0.5 * np.log(2 * np.pi * np.e) - np.log(30), abs=0.2)
