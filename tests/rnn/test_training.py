"""Training, of a model simple enough to know every number: one weight w, and the loss (w - x)^2 / 2 of each x."""

from typing import NamedTuple

import numpy as np
import pytest

from seqmodels.rnn import SGD
from seqmodels.rnn import training as module
from seqmodels.rnn.descent import Descent
from seqmodels.rnn.training import train


class Piece(NamedTuple):
    """What an update learns from."""

    which: np.ndarray
    done: float


class Quadratic:
    """Counts what training asks for."""

    def __init__(self, x, observations=1.0, n_pieces=1):
        self.x = np.asarray(x, dtype=float)
        self.observations = observations  # of each sequence
        self.n_pieces = n_pieces
        self.batches = []
        self.reports = []

    def windows(self, which):
        """As many as there are pieces of each sequence; each learns from all of it."""
        return [Piece(which, (piece + 1) / self.n_pieces) for piece in range(self.n_pieces)]

    def loss_and_gradient(self, weights, piece):
        which = piece.which
        self.batches.append(np.array(which))
        deviations = weights[0] - self.x[which]
        return -(deviations**2).sum() / 2, len(which) * self.observations, np.array([deviations.mean()])

    def report(self, weights, record, belongs):
        self.reports.append((weights.copy(), record, belongs))
        return False

    def train(self, validate=None, report=None, start=0.0, **options):
        options = {
            "max_epochs": 10, "batch_size": 2, "patience": 3, "generator": np.random.default_rng(0),
        } | options  # fmt: skip
        steps = {name: options.pop(name) for name in ("schedule", "clip_norm", "clip_value") if name in options}
        weights = np.array([start])
        descent = Descent(options.pop("optimizer", SGD(0.5)), weights, **steps)
        return train(
            weights, self.loss_and_gradient, self.windows, len(self.x), validate, descent,
            report=report or self.report, **options,
        )  # fmt: skip


def test_an_epoch_visits_every_sequence_once_in_a_new_order():
    model = Quadratic(np.zeros(7))
    model.train(max_epochs=3, batch_size=3)
    assert [len(batch) for batch in model.batches] == [3, 3, 1] * 3
    epochs = [np.concatenate(model.batches[3 * e : 3 * e + 3]) for e in range(3)]
    assert all(sorted(order) == list(range(7)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 3


def test_a_batch_may_be_larger_than_the_data():
    model = Quadratic([1.0, 3.0])
    outcome = model.train(max_epochs=1, batch_size=100)
    assert [sorted(batch) for batch in model.batches] == [[0, 1]]
    assert outcome.weights[0] == 0.5 * 2


def test_the_gradient_is_clipped_before_the_update():
    assert Quadratic([10.0]).train(max_epochs=1, clip_norm=1.0).weights[0] == 0.5
    assert Quadratic([10.0]).train(max_epochs=1, clip_value=4.0).weights[0] == 2.0


def test_records_say_where_training_is():
    model = Quadratic([1.0, 1.0])
    model.train(validate=lambda weights: -abs(weights[0] - 1), max_epochs=2)
    weights, records, belongs = zip(*model.reports, strict=True)
    assert [w[0] for w in weights] == [0, 0.5, 0.75]
    assert all(belongs)
    assert [r["epoch"] for r in records] == [0, 1, 2]
    assert [r["train"] for r in records] == [None, -0.5, -0.125]
    assert [r["validation"] for r in records] == [-1, -0.5, -0.25]
    assert [r["learning_rate"] for r in records] == [0.5] * 3
    assert 0 <= records[0]["seconds"] <= records[1]["seconds"] <= records[2]["seconds"]


def test_the_best_weights_are_kept_and_patience_ends_training():
    scores = iter([0.0, 1.0, 3.0, 2.0, 2.5, 2.9, 9.0])
    model = Quadratic([1.0])
    outcome = model.train(validate=lambda weights: next(scores), patience=3)
    assert outcome.n_epochs == 5  # three in a row no better than the second
    assert outcome.converged
    np.testing.assert_array_equal(outcome.weights, model.reports[2][0])


def test_a_better_epoch_renews_the_patience():
    scores = iter([0.0, -1.0, 1.0, -1.0, 2.0, -1.0, -1.0])
    outcome = Quadratic([1.0]).train(validate=lambda weights: next(scores), patience=2)
    assert (outcome.n_epochs, outcome.converged) == (6, True)


def test_the_initial_weights_are_kept_where_no_epoch_betters_them():
    outcome = Quadratic([1.0]).train(validate=lambda weights: -abs(weights[0] - 7), start=7.0, patience=2)
    np.testing.assert_array_equal(outcome.weights, [7.0])
    assert (outcome.n_epochs, outcome.converged) == (2, True)


@pytest.mark.parametrize("scores", [[0.0, np.nan, np.nan], [0.0, 0.0, 0.0], [0.0, -np.inf, -np.inf]])
def test_scores_that_are_no_better_or_no_numbers_do_not_count_as_better(scores):
    scores = iter(scores)
    outcome = Quadratic([1.0]).train(validate=lambda weights: next(scores), patience=2)
    np.testing.assert_array_equal(outcome.weights, [0.0])


def test_without_validation_the_last_weights_are_kept():
    outcome = Quadratic([1.0]).train(max_epochs=4)
    np.testing.assert_allclose(outcome.weights, [1 - 0.5**4])
    assert (outcome.n_epochs, outcome.converged) == (4, False)


def test_no_epochs_leave_the_initial_weights():
    outcome = Quadratic([1.0]).train(max_epochs=0)
    assert (outcome.weights[0], outcome.n_epochs, outcome.converged) == (0.0, 0, False)


@pytest.mark.parametrize("stop_at", [0, 2])
def test_a_report_can_stop_training(stop_at):
    outcome = Quadratic([1.0]).train(report=lambda weights, record, belongs: record["epoch"] == stop_at)
    assert outcome.n_epochs == stop_at
    assert not outcome.converged


def test_long_epochs_report_within_and_can_be_stopped_there(monkeypatch):
    monkeypatch.setattr(module, "REPORT_EVERY", 20)
    model = Quadratic(np.ones(8), observations=10)
    model.train(max_epochs=1, batch_size=1)
    assert [(r["epoch"], belongs) for _, r, belongs in model.reports] == [
        (0, True), (0.25, False), (0.5, False), (0.75, False), (1, True),
    ]  # fmt: skip
    assert all(record["validation"] is None for _, record, _ in model.reports)

    seen = []
    model = Quadratic(np.ones(8), observations=10)
    outcome = model.train(
        report=lambda weights, record, belongs: seen.append(record["epoch"]) or not belongs, batch_size=1
    )
    assert seen == [0, 0.25, 1]
    assert len(model.batches) == 2
    assert outcome.n_epochs == 1


def test_an_update_for_each_piece_of_a_batch_and_reports_between_them(monkeypatch):
    """A single long sequence is one batch, and callbacks hear of it before it is over."""
    monkeypatch.setattr(module, "REPORT_EVERY", 20)
    model = Quadratic([1.0, 1.0, 1.0], observations=10, n_pieces=4)
    outcome = model.train(max_epochs=1, batch_size=2)
    assert outcome.weights[0] == 1 - 0.5**8
    assert [len(batch) for batch in model.batches] == [2] * 4 + [1] * 4
    within = [r["epoch"] for _, r, belongs in model.reports if not belongs]
    np.testing.assert_allclose(within, [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])
    losses = [0.5 * 0.25**update for update in range(8)]
    assert model.reports[-1][1]["train"] == -(sum(losses[:4]) * 2 + sum(losses[4:])) / (12 * 10)

    model = Quadratic([1.0], observations=20, n_pieces=9)
    assert model.train(report=lambda weights, record, belongs: not belongs).n_epochs == 1
    assert len(model.batches) == 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["loss", "gradient", "weights"])
def test_divergence_is_an_error_that_says_when(where, wrong):
    model = Quadratic([1.0])

    def loss_and_gradient(weights, which):
        diverged = len(model.batches) == 2  # in the third epoch
        value, mass, gradient = Quadratic.loss_and_gradient(model, weights, which)
        if diverged and where == "loss":
            value = wrong
        if diverged and where == "gradient":
            gradient[0] = wrong
        if diverged and where == "weights":
            weights[0] = wrong
        return value, mass, gradient

    model.loss_and_gradient = loss_and_gradient
    with pytest.raises(FloatingPointError, match=r"infinite or NaN in epoch 3; a smaller learning_rate or clip_norm"):
        model.train()


def test_overflow_is_left_to_that_error():
    with pytest.raises(FloatingPointError, match="infinite or NaN in epoch 1"):
        Quadratic([1e200]).train(optimizer=SGD(1e200))
