"""Online EM: one step for each batch, on statistics that are averages over all batches so far."""

import time
from typing import NamedTuple

import numpy as np

from ..arrays import map_arrays, take
from .ascent import each_warning_once, record_of
from .freedom import Freedom
from .training import TrainingData, expect, log_prior, maximize

__all__ = ["OnlineTraining"]


class Online(NamedTuple):
    """Averages per observation, the latest batches counting most."""

    number: int  # of steps
    n_scored: float  # observations in all batches, weighted
    starts: np.ndarray  # (K,)
    pairs: np.ndarray  # (K, K)
    visits: tuple  # statistics of the family, relative to the parameters `emission`
    emission: tuple

    def permuted(self, order):
        """The same with state ``order[k]`` as state k."""
        return self._replace(
            starts=self.starts[order], pairs=self.pairs[np.ix_(order, order)], visits=take(self.visits, order),
            emission=take(self.emission, order),
        )  # fmt: skip


class OnlineTraining:
    """Training that sees the data batch by batch."""

    #: Step t moves the averaged statistics by ``t ** -STEP_DECAY`` of the way to those of its batch. Between 0.5,
    #: which soon forgets the first batches, and 1, which weighs all of them alike (Cappe and Moulines 2009).
    STEP_DECAY = 0.6

    def partial_fit(self, X, y=None, *, states=None, lengths=None, sample_weight=None):
        """One step of EM on a batch, on top of the batches before (Cappe and Moulines 2009).

        The first call sets the alphabet or the number of columns, and makes up a start as ``fit`` does; a model
        that has been fitted, or whose parameters were given, starts from where it is. A transition or a symbol
        that the first batch rules out is ruled out for good, unless the chain has a prior above 1 and the emission
        a pseudo-count.

        Parameters
        ----------
        X, y, states, lengths, sample_weight
            As for ``fit``.

        Returns
        -------
        self
            `history_` has a record for each batch, under the parameters before its step.

        Raises
        ------
        ValueError, TypeError
            As for ``fit``, and where the family's statistics of different batches do not add up. The model is then
            as it was before.
        """

        def step(sequences, validation, weights):
            with each_warning_once():
                self._step(sequences, weights, states, lengths)

        return self._learn(step, X, lengths, sample_weight, onwards=hasattr(self, "emission_"))

    def _step(self, sequences, weights, states, lengths):
        began, (chain, states) = time.perf_counter(), self._checked(sequences, weights, states, lengths)
        data = TrainingData.of(sequences, self.family_, weights, states)
        before, freedom = getattr(self, "_online", None), getattr(self, "_freedom", None)
        if hasattr(self, "emission_"):
            start = self._present_parameters(chain, sequences, states)
        else:
            generator = np.random.default_rng(self.random_state).spawn(1)[0]  # as for one run of `fit`
            start = self._made_up(chain, sequences, data, states, generator)
        found = expect(start, self.family_, data, self.training, self.n_jobs, self.memory)
        self.family_.rebased(found.visits, start.emission, start.emission)  # an error, where batches do not add up
        number = 1 if before is None else before.number + 1
        step, n_scored = number**-self.STEP_DECAY, data.n_scored
        averages = [map_arrays(lambda a: a * (step / data.n_scored), each) for each in found[1:]]
        if before is not None:
            n_scored += before.n_scored
            earlier = before.starts, before.pairs, self.family_.rebased(before.visits, before.emission, start.emission)
            averages = [
                map_arrays(lambda a, b: a + (1 - step) * b, *pair) for pair in zip(averages, earlier, strict=True)
            ]
        in_all = [map_arrays(lambda a: a * n_scored, each) for each in averages]
        found_so_far = found._replace(starts=in_all[0], pairs=in_all[1], visits=in_all[2])
        parameters = maximize(found_so_far, start, self.family_, chain, self.fixed)
        self._online = Online(number, n_scored, *averages, start.emission)
        self._take(parameters)
        self._freedom = Freedom.of(chain, self.fixed, start, parameters, freedom)
        self.history_ = [] if before is None else list(self.history_)
        log_likelihood = float(data.weights @ found.log_likelihood)
        objective = log_likelihood + log_prior(start, self.family_, chain)
        self._report(record_of(number - 1, objective, log_likelihood / data.n_scored, began))
        self.n_iter_, self.converged_ = number, False
