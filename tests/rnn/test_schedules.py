"""Learning rates on known sequences of losses."""

import numpy as np
import pytest
from sklearn.base import clone

from seqmodels.rnn import RNN, SGD, Adam, AdamW, Elman, ExponentialDecay, HalveOnRise, OnPlateau, RMSProp
from seqmodels.rnn.descent import Descent
from seqmodels.rnn.schedules import Schedule

from .test_training import Quadratic

SCHEDULES = [HalveOnRise(), ExponentialDecay(0.9), OnPlateau(0.1, 3)]
NAN, INF = np.nan, np.inf


def factors(schedule, losses, first=INF):
    """After each epoch."""
    state, found = schedule.begin(first), []
    for loss in losses:
        schedule.after_epoch(state, loss)
        found.append(state["factor"])
    return found


@pytest.mark.parametrize(
    ("losses", "first", "expected"),
    [
        ([3, 2, 2, 2.5, 2.4, 2.6, 2.7], INF, [1, 1, 1, 0.5, 0.5, 0.25, 0.125]),
        ([3, 2, 4], 2.9, [0.5, 0.5, 0.25]),  # the first epoch is compared with what was before it
        ([8.987291, 8.975247, 8.956812, 8.841700, 6.822989, 6.306852], 8.987425, [1] * 6),  # as RNNLM.ipynb had it
        ([3, NAN, 5, 4, INF, 4], INF, [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
    ],
)
def test_the_rate_is_halved_whenever_the_loss_rises(losses, first, expected):
    assert factors(HalveOnRise(), losses, first) == expected


def test_exponential_decay():
    np.testing.assert_allclose(factors(ExponentialDecay(0.8), [1, 5, 2, NAN]), 0.8 ** np.arange(1, 5))
    assert factors(ExponentialDecay(1.0), [1, 2]) == [1, 1]


@pytest.mark.parametrize(
    ("losses", "first", "expected"),
    [
        ([5, 4, 4, 4, 4, 4, 3, 4, 4], INF, [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]),
        ([5, 6, 4.9, 6, 4.8, 6, 7], INF, [1, 1, 1, 1, 1, 1, 0.5]),
        ([5, 5], 4.0, [1, 0.5]),
        ([5, NAN, INF], INF, [1, 1, 0.5]),
    ],
)
def test_a_plateau_lowers_the_rate(losses, first, expected):
    assert factors(OnPlateau(0.5, 2), losses, first) == expected


@pytest.mark.parametrize("optimizer", [SGD(0.5), SGD(0.5, momentum=0.9), Adam(0.5), AdamW(0.5), RMSProp(0.5)], ids=str)
def test_steps_are_taken_at_the_present_rate_and_the_users_optimizer_stays_as_it_is(optimizer, rng):
    gradients, weights, expected = rng.normal(size=(4, 3)), np.zeros(3), np.zeros(3)
    descent, state = Descent(optimizer, weights, ExponentialDecay(0.5)), optimizer.begin(expected)
    for epoch, gradient in enumerate(gradients):
        clone(optimizer).set_params(learning_rate=0.5 ** (epoch + 1)).update(expected, gradient.copy(), state)
        assert descent.learning_rate == 0.5 ** (epoch + 1)
        descent.step(weights, gradient)
        descent.after_epoch(1.0)
    np.testing.assert_array_equal(weights, expected)
    assert optimizer.learning_rate == 0.5


def test_what_is_watched_is_validation_and_otherwise_training():
    """Of (w - 1)^2 / 2 at a rate of 2.5 the loss rises at once; at a rate of 1.25 it falls."""
    model = Quadratic([1.0])
    model.train(schedule=HalveOnRise(), optimizer=SGD(2.5), max_epochs=3)
    rates = [record["learning_rate"] for _, record, _ in model.reports]
    assert rates == [2.5, 2.5, 2.5, 1.25]  # the second epoch's loss is the first that is seen to rise
    scores = iter([0.0, -1.0, -2.0, -1.5])
    model = Quadratic([1.0])
    model.train(validate=lambda weights: next(scores), schedule=HalveOnRise(), max_epochs=3, patience=9)
    assert [record["learning_rate"] for _, record, _ in model.reports] == [0.5, 0.5, 0.25, 0.125]


def test_networks_take_schedules():
    X = ["abcab", "cab", "bca", "ca"]
    options = {"max_epochs": 3, "validation_fraction": 0, "random_state": 0, "optimizer": SGD(0.4)}
    model = RNN(Elman(2), schedule=ExponentialDecay(0.5), **options).fit(X)
    assert [record["learning_rate"] for record in model.history_] == [0.4, 0.4, 0.2, 0.1]
    assert model.optimizer.learning_rate == 0.4
    plain = RNN(Elman(2), **options).fit(X)
    assert {record["learning_rate"] for record in plain.history_} == {0.4}
    assert not np.array_equal(plain.weights_["weight_out"], model.weights_["weight_out"])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_schedules_are_cloned_and_keep_nothing(schedule):
    X, model = ["abcab", "cab", "bca", "ca"], RNN(Elman(2), schedule=schedule, max_epochs=2, random_state=0)
    first = clone(model).fit(X)
    assert clone(first).schedule is not schedule
    assert clone(schedule).get_params() == schedule.get_params()
    before = dict(vars(model.schedule))
    weights = model.fit(X).weights_
    assert vars(model.schedule) == before
    for name, array in model.fit(X).weights_.items():
        np.testing.assert_array_equal(array, weights[name])
    assert RNN().set_params(schedule=OnPlateau(), schedule__patience=7).schedule.patience == 7


@pytest.mark.parametrize(
    ("schedule", "error", "message"),
    [
        (ExponentialDecay(0.0), ValueError, r"decay is 0.0; numbers in \(0, 1\]"),
        (ExponentialDecay(1.1), ValueError, r"decay is 1.1; numbers in \(0, 1\]"),
        (OnPlateau(factor=1.0), ValueError, r"factor is 1.0; numbers in \(0, 1\)"),
        (OnPlateau(patience=0), ValueError, "patience is 0; integers from 1"),
        ("halve", TypeError, r"schedule is 'halve'; a schedule such as HalveOnRise\(\), or None, is accepted"),
        (HalveOnRise, TypeError, "schedule is .*HalveOnRise.*; a schedule such as"),
    ],
)
def test_schedules_are_checked(schedule, error, message):
    with pytest.raises(error, match=message):
        RNN(schedule=schedule).fit(["ab"])


def test_a_schedule_has_to_say_what_it_does():
    with pytest.raises(TypeError, match="Schedule does not define after_epoch"):
        Schedule().after_epoch({}, 1.0)
