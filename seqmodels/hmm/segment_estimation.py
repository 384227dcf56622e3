"""How a semi-Markov model is trained."""

import numpy as np

from ..base import mean_term
from ..emissions import Poisson
from ..emissions.helpers import refuse_past
from . import durations
from .ascent import climb, each_warning_once
from .hyperparameters import check_hyperparameters
from .restarts import Restarts
from .segment_training import starting_point, steps_of
from .start import checked_start
from .training import TrainingData, check_fixed
from .transitions import Ergodic, Jumps

__all__ = ["LONGEST_BY_ITSELF", "SegmentEstimation"]

LONGEST_BY_ITSELF = 1000  # durations that are told apart where the user does not say how many
SHORTEST_BY_ITSELF = 10  # of counts: where sequences are short, what comes after them still ends as the family says


class SegmentEstimation(Restarts):
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
        validate = None if validation is None else self._validator(validation)
        generators = np.random.default_rng(self.random_state).spawn(self.n_init)
        starts = (starting_point(self, chain, given, sequences, data, steps, generator) for generator in generators)

        def climb_from(start):
            return climb(
                start, steps, data.n_scored, max_iter=self.max_iter, tol=self.tol, validate=validate,
                report=self._take_and_report,
            )  # fmt: skip

        with each_warning_once():
            self._take_best_run(climb_from, starts, chain)

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
        checked = checked_start(given, self.n_states, self.family_, more=("durations",))
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
