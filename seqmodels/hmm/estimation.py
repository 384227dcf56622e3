"""How an HMM is trained on all the data at once."""

import functools

import numpy as np

from ..base import mean_term
from . import inference
from .ascent import each_warning_once
from .hyperparameters import check_hyperparameters
from .restarts import Restarts
from .start import check_shapes, checked_start, starting_parameters
from .states import checked_states, refuse_impossible
from .training import Parameters, TrainingData, check_fixed, train
from .transitions import Ergodic

__all__ = ["Estimation"]


class Estimation(Restarts):
    """What an HMM does to be trained."""

    def fit(self, X, y=None, *, states=None, validation=None, lengths=None, sample_weight=None, context=None):
        """Estimate the model from sequences.

        Parameters
        ----------
        X, y, validation, lengths, sample_weight
            As for every model, see :meth:`SequenceModel.fit`; `validation` chooses among the iterates of training.
        states : list of N arrays (T,) of int, optional
            What is known of the hidden states, 0 to K - 1; -1 where one is not known. If all are known, the
            parameters are relative frequencies and the like, and nothing is left to iterate over.
        context : None
            Is for networks; nothing else is accepted.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As for every model.
        """
        estimate = functools.partial(self._fit, states=states, lengths=lengths)
        return self._learn(estimate, X, lengths, sample_weight, validation, self._goes_on, context)

    @property
    def _goes_on(self):
        """Whether `fit` starts from the parameters that are there."""
        return bool(self.warm_start) and hasattr(self, "emission_")

    def _fit(self, sequences, validation, weights, states=None, lengths=None):
        chain, states = self._checked(sequences, weights, states, lengths)
        data = TrainingData.of(sequences, self.family_, weights, states)
        if self._goes_on:
            starts = [self._present_parameters(chain, sequences, states)]
        else:
            generators = np.random.default_rng(self.random_state).spawn(self.n_init)
            starts = (self._made_up(chain, sequences, data, states, generator) for generator in generators)
        validate = None if validation is None else self._validator(validation)

        def train_from(start):
            return train(
                start, self.family_, chain, data, max_iter=self.max_iter, tol=self.tol, training=self.training,
                fixed=self.fixed, validate=validate, report=self._take_and_report, n_jobs=self.n_jobs,
                memory=self.memory,
            )  # fmt: skip

        before = getattr(self, "_freedom", None) if self.warm_start else None
        with each_warning_once():
            self._take_best_run(train_from, starts, chain, before)
        self._online = None

    def _checked(self, sequences, weights, states, lengths):
        """The chain, and known states (M,) or None, once all that training is asked to do makes sense."""
        check_hyperparameters(self)
        chain = Ergodic() if self.transitions is None else self.transitions
        if not isinstance(chain, Ergodic):
            raise TypeError(f"transitions is {chain!r}; Ergodic(), LeftToRight(), Sticky(...) or None is accepted")
        chain.check(self.n_states)
        check_fixed(self.fixed, self.family_, chain)
        if states is not None:
            states = checked_states(states, sequences, self.n_states, lengths)
            if weights is not None:  # sequences that do not count may be impossible
                states[np.repeat(weights == 0, sequences.lengths)] = -1
        return chain, states if states is not None and states.max() >= 0 else None

    def _made_up(self, chain, sequences, data, states, generator):
        return starting_parameters(self.init, self.n_states, self.family_, chain, sequences, data, states, generator)

    def _present_parameters(self, chain, sequences, states):
        """The parameters of the model, checked: they may have been assigned."""
        given = {"initial": self.initial_, "transition": self.transition_, "emission": self.emission_}
        initial, transition, emission = checked_start(given, self.n_states, self.family_).values()
        if not (self.family_.symbolic or self.family_.symbolic_columns):  # of symbols, there may be others by now
            check_shapes(emission, self.family_.rough(sequences), "emission_")
        initial, transition = chain.begin(initial, transition, {"transition"})
        if states is not None:
            refuse_impossible(states, sequences, initial, transition)
        return Parameters(initial, transition, emission)

    def _take(self, parameters):
        self.initial_, self.transition_, self.emission_ = parameters

    def _validator(self, validation):
        values, rows = self.family_.distinct(self.family_.with_past(validation))

        def validate(parameters):
            log_table = self.family_.log_table(values, parameters.emission)
            terms, _ = inference.filtered(
                parameters.initial, parameters.transition, log_table, rows, validation.offsets
            )
            return mean_term(terms, validation)

        return validate
