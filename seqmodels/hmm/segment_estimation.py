"""How a semi-Markov model is trained."""

import numpy as np

from ..base import mean_term
from ..emissions import Poisson
from ..emissions.helpers import refuse_past
from . import durations
from .ascent import climb, each_warning_once
from .freedom import Freedom
from .hyperparameters import check_hyperparameters
from .segment_training import starting_point, steps_of
from .start import checked_start
from .training import TrainingData, check_fixed
from .transitions import Ergodic, Jumps

__all__ = ["LONGEST_BY_ITSELF", "SegmentEstimation"]

LONGEST_BY_ITSELF = 1000  # durations that are told apart where the user does not say how many
SHORTEST_BY_ITSELF = 10  # of counts: where sequences are short, what comes after them still ends as the family says


class SegmentEstimation:
    """What a semi-Markov model does to be trained."""

    def _fit(self, sequences, validation, weights):
        self._check_hyperparameters()
        refuse_past(self.family_, "SemiMarkovHMM")
        chain = self._checked_chain()
        check_fixed(self.fixed, self.family_, chain, ("durations",))
        data = TrainingData.of(sequences, self.family_, weights)
        given = self._checked_start(self.init) if isinstance(self.init, dict) else {}
        self.max_duration_ = given.pop("max_duration", None) or self.max_duration
        if self.max_duration_ is None:
            least = 1 if self._duration_family.symbolic else SHORTEST_BY_ITSELF
            self.max_duration_ = int(min(max(sequences.lengths.max(), least), LONGEST_BY_ITSELF))
        steps = steps_of(
            self.family_, self._duration_family, chain, self.fixed, self.max_duration_, data, self.n_jobs
        )  # fmt: skip
        runs, validate = [], None if validation is None else self._validator(validation)
        with each_warning_once():
            for generator in np.random.default_rng(self.random_state).spawn(self.n_init):
                start = starting_point(self, chain, given, sequences, data, steps, generator)
                self._freedom, self.history_ = Freedom.of(chain, self.fixed, start, start), []
                run = climb(
                    start, steps, data.n_scored, max_iter=self.max_iter, tol=self.tol, validate=validate,
                    report=self._take_and_report,
                )  # fmt: skip
                runs.append((run, start))
        best, start = max(runs, key=lambda pair: pair[0].value)
        self._take(best.parameters)
        self._freedom = Freedom.of(chain, self.fixed, start, best.parameters)
        self.history_, self.n_iter_, self.converged_ = best.records, len(best.records) - 1, best.converged

    def _validator(self, validation):
        return lambda parameters: mean_term(self._filtered(validation, parameters)[0], validation)

    def _check_hyperparameters(self):
        check_hyperparameters(self, least_states=2)
        longest = self.max_duration
        if not (longest is None or (isinstance(longest, int | np.integer) and longest >= 1)):
            raise ValueError(f"max_duration is {longest!r}; None and integers from 1 are accepted")
        family = Poisson() if self.durations is None else self.durations
        self._duration_family = durations.checked_family(family)

    def _checked_chain(self):
        """What is known about the transitions, none of which is from a state to itself."""
        given = Ergodic() if self.transitions is None else self.transitions
        if type(given) is not Ergodic or given.tied:
            raise TypeError(
                f"transitions is {given!r}; None and Ergodic(prior, fixed) are accepted: how long a state lasts is "
                "said by its durations"
            )
        chain = Jumps(given.prior, given.fixed)
        chain.check(self.n_states)
        return chain

    def _checked_start(self, given):
        """Given parameters as arrays of the right shape, and the largest duration that they come with."""
        others = {name: value for name, value in given.items() if name != "durations"}
        checked = checked_start(others, self.n_states, self.family_)
        if np.any(np.diagonal(checked.get("transition", np.zeros((1, 1))))):
            state = int(np.argmax(np.diagonal(checked["transition"]) > 0))
            raise ValueError(
                f"transition[{state}, {state}] is {checked['transition'][state, state]}; 0 is accepted: how long a "
                "state lasts is said by its durations"
            )
        if "durations" in given:
            checked["durations"], checked["max_duration"] = durations.parameters_given(
                self._duration_family, given["durations"], self.n_states, self.max_duration
            )
        return checked

    def _take(self, parameters):
        self.initial_, self.transition_, self.durations_, self.emission_ = parameters

    def _take_and_report(self, parameters, record):
        self._take(parameters)
        return self._report(record)
