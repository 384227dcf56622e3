"""How a network is fitted: what is held out, what is built from the data, and how its weights go on from there."""

import copy
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from ..base import SequenceModel, mean_term
from ..checks import check_count, check_n_jobs
from .bidirectional import Bidirectional
from .cells import LSTM, Cell
from .context import ContextInput
from .descent import Descent
from .dropout import Dropout
from .embedding import embedding_for, may_go_on
from .inputs import input_for
from .network import Network
from .optimizers import Adam, Optimizer
from .packing import Arena
from .schedules import Schedule
from .training import train

__all__ = ["Estimation"]


class Progress(NamedTuple):
    """What goes on from one `partial_fit` to the next."""

    descent: Descent
    generator: np.random.Generator
    n_passes: int


class Estimation:
    """What an RNN does to be fitted."""

    def fit(self, X, y=None, *, validation=None, lengths=None, sample_weight=None, context=None):
        return self._learn(self._fit, X, lengths, sample_weight, validation, self._goes_on, context)

    fit.__doc__ = SequenceModel.fit.__doc__

    def partial_fit(self, X, y=None, *, lengths=None, sample_weight=None, context=None):
        """One pass of gradient steps over some sequences, on top of all passes before.

        The first call sets the alphabet, what inputs are scaled by and the family fitted to all observations; a
        model that has been fitted goes on from where it is. What the optimizer and the schedule keep is kept from
        call to call. Nothing is held out: the pass is made in batches of `batch_size`, and `max_epochs`,
        `patience` and `validation_fraction` play no part.

        Parameters
        ----------
        X, y, lengths, sample_weight, context
            As for :meth:`fit`.

        Returns
        -------
        self
            `history_` has a record for each pass.

        Raises
        ------
        FloatingPointError
            Where training diverges. Here and for all other errors, the model is then as it was before.
        """
        return self._learn(
            self._fit_partly, X, lengths, sample_weight, onwards=hasattr(self, "_network"), context=context
        )

    @property
    def _goes_on(self):
        """Whether `fit` starts from the weights that are there."""
        return bool(self.warm_start) and hasattr(self, "_network")

    def _fit(self, sequences, validation, weights):
        cells, optimizer = self._checked_hyperparameters()
        generator = np.random.default_rng(self.random_state)
        sequences, weights = _that_weigh(sequences, weights)
        if validation is None:
            sequences, validation, weights = self._hold_out(sequences, weights, generator)
        row_weights = None if weights is None else np.repeat(weights, sequences.lengths)
        self._begin(sequences, cells, row_weights, generator, self._goes_on)
        self.history_, self._progress = [], None

        def validate(vector):
            terms = self._network.terms(self._network.ready(vector), validation, n_jobs=self.n_jobs)
            return mean_term(terms, validation)

        self._weights, self.n_iter_, self.converged_ = train(
            self._weights,
            *self._updates(sequences, row_weights, generator),
            len(sequences),
            None if validation is None else validate,
            self._descent(optimizer),
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            patience=self.patience,
            generator=generator,
            report=self._take,
        )

    def _fit_partly(self, sequences, validation, weights):
        cells, optimizer = self._checked_hyperparameters()
        sequences, weights = _that_weigh(sequences, weights)
        row_weights = None if weights is None else np.repeat(weights, sequences.lengths)
        before = self.__dict__.get("_progress")
        generator = np.random.default_rng(self.random_state) if before is None else copy.deepcopy(before.generator)
        self._begin(sequences, cells, row_weights, generator, hasattr(self, "_network"))
        self.history_ = [] if before is None else list(self.history_)
        descent = self._descent(optimizer, None if before is None else before.descent)
        n_before = 0 if before is None else before.n_passes

        def report(vector, record, belongs):
            if record["epoch"] == 0:
                return False
            return self._take(vector, record | {"epoch": record["epoch"] + n_before}, belongs)

        outcome = train(
            self._weights,
            *self._updates(sequences, row_weights, generator),
            len(sequences),
            None,
            descent,
            max_epochs=1,
            batch_size=self.batch_size,
            patience=1,
            generator=generator,
            report=report,
        )
        self._weights, self.n_iter_, self.converged_ = outcome.weights, n_before + 1, False
        self._progress = Progress(descent, generator, n_before + 1)

    def _begin(self, sequences, cells, row_weights, generator, onwards):
        """The network and its weights, as they are or newly made."""
        embedding = embedding_for(sequences, self.family_.symbolic_columns, self.embedding, self.dtype)
        if onwards:
            self._check_same_network(cells)
            if not may_go_on(embedding, self._network.embedding, self.embedding is not None):
                raise ValueError("embedding is not that of the weights from which training goes on")
            self._network = self._network.with_penalty(self.jacobian_penalty)
            vector = self._weights.copy()
        else:
            self.marginal_ = self.family_.fit_marginal(sequences, row_weights)
            inputs = input_for(sequences, self.dtype, None if embedding is None else embedding.columns)
            context = None if sequences.context is None else ContextInput(sequences.context, self.dtype)
            network = Network(inputs, cells, self.family_, self.marginal_, self.dtype, context, embedding)
            self._network = network.with_penalty(self.jacobian_penalty)
            vector = self._network.initial_weights(generator)
        self._weights, self._ready_for = vector, None

    def _check_same_network(self, cells):
        """Raise a ValueError where the weights that are there are those of another network."""
        network = self._network
        for name, own, other in (
            ("cell", cells, network.stack.cells), ("emission", self.family_, network.family),
            ("dtype", np.dtype(self.dtype).name, network.dtype.name),
        ):  # fmt: skip
            if repr(own) != repr(other):
                raise ValueError(f"{name} is {own!r}; the weights from which training goes on are of {other!r}")

    def _updates(self, sequences, row_weights, generator):
        """Functions for :func:`~seqmodels.rnn.training.train`: a loss with its gradient, and of what."""
        network, arena = self._network, Arena()
        weighted = network.weighted(sequences, row_weights, self.truncation)
        rates = self._dropout_rates
        dropout = Dropout(rates, generator) if rates else None

        def loss_and_gradient(vector, window):
            return network.loss_and_gradient(vector, weighted, window.which, arena, self.n_jobs, window.state, dropout)

        return loss_and_gradient, lambda which: network.windows(weighted, which)

    @property
    def _dropout_rates(self):
        """For :class:`~seqmodels.rnn.dropout.Dropout`."""
        rates = {"passed": self.dropout, "recalled": self.recurrent_dropout}
        return {name: rate for name, rate in rates.items() if rate}

    def _descent(self, optimizer, earlier=None):
        decay = self.weight_decay * self._network.in_matrices() if self.weight_decay else None
        return Descent(optimizer, self._weights, self.schedule, self.clip_norm, self.clip_value, decay, earlier)

    def _take(self, vector, record, belongs):
        """Let the weights in training be those of the model, and tell those who want to know."""
        self._weights, self._ready_for = vector, None
        if belongs:
            return self._report(record)
        return any([callback(self, record) is True for callback in self.callbacks or ()])

    def _checked_hyperparameters(self):
        cells = [LSTM(64)] if self.cell is None else self.cell if isinstance(self.cell, list | tuple) else [self.cell]
        for cell in cells:
            if isinstance(cell, Bidirectional):
                raise ValueError(
                    f"cell is {cell!r}, which would see the future that the network predicts; cells that run in one "
                    "direction, such as LSTM(64), are accepted"
                )
            if not isinstance(cell, Cell):
                raise TypeError(f"cell is {cell!r}; a cell such as LSTM(64), or a list of them, is accepted")
            cell.check()
        if not cells:
            raise ValueError("cell is an empty list; at least one layer is needed")
        for name, least in (("max_epochs", 0), ("batch_size", 1), ("patience", 1)):
            check_count(name, getattr(self, name), least)
        if not (self.truncation is None or (isinstance(self.truncation, int | np.integer) and self.truncation >= 1)):
            raise ValueError(f"truncation is {self.truncation!r}; integers from 1 and None are accepted")
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; positive numbers and None are accepted")
        check_n_jobs(self.n_jobs)
        for name in ("validation_fraction", "dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; numbers in [0, 1) are accepted")
        for name in ("weight_decay", "jacobian_penalty"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} is {getattr(self, name)!r}; finite numbers from 0 are accepted")
        for cell in cells if self.jacobian_penalty > 0 else ():
            if not cell.one_way_back:
                raise ValueError(
                    f"jacobian_penalty is {self.jacobian_penalty!r}, and cell has {cell!r}; layers of Elman cells are "
                    "accepted with it, and any with 0"
                )
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"dtype is {self.dtype!r}; 'float32' and 'float64' are accepted")
        if not self.family_.for_networks:
            raise ValueError(f"{self.family_!r} cannot be the output of a network")
        optimizer = Adam() if self.optimizer is None else self.optimizer
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer is {optimizer!r}; an optimizer such as Adam(1e-3) is accepted")
        optimizer.check()
        if not (self.schedule is None or isinstance(self.schedule, Schedule)):
            raise TypeError(f"schedule is {self.schedule!r}; a schedule such as HalveOnRise(), or None, is accepted")
        if self.schedule is not None:
            self.schedule.check()
        return [clone(cell) for cell in cells], optimizer

    def _hold_out(self, sequences, weights, generator):
        """Training sequences, validation sequences (or None) and training weights."""
        N = len(sequences)
        if self.validation_fraction == 0:
            return sequences, None, weights
        if N == 1:
            length = int(np.ceil((1 - self.validation_fraction) * sequences.n_observations))
            kept = np.array([0])
            training, validation = sequences.first(length), sequences.given_past(length)
        else:
            n_held = min(N - 1, max(1, round(self.validation_fraction * N)))
            order = generator.permutation(N)
            held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
            training, validation = sequences[kept], sequences[held]
        if not (training.scored.any() and validation.scored.any()):
            return sequences, None, weights
        return training, validation, None if weights is None else weights[kept]


def _that_weigh(sequences, weights):
    """The sequences of a weight above 0, and their weights (N,) or None."""
    if weights is None:
        return sequences, None
    sequences, weights = sequences[weights > 0], weights[weights > 0]
    if not sequences.scored.any():
        raise ValueError("sample_weight is 0 for every sequence of X with an observation")
    return sequences, weights
