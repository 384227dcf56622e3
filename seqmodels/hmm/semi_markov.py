"""The hidden semi-Markov model."""

import pickle

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from ..arrays import choose, map_arrays, take
from ..base import mean_term
from ..emissions import Emission, Poisson
from ..emissions.base import refuse_past
from ..predictive import Predictive
from . import durations as lengths_of_segments
from . import segments
from .ascent import climb, each_warning_once
from .hidden import HiddenStates
from .hyperparameters import check_hyperparameters
from .segment_training import SemiMarkovParameters, starting_point, steps_of
from .start import checked_start, template_of
from .tables import source_of
from .training import TrainingData

__all__ = ["SemiMarkovHMM"]

LONGEST_BY_ITSELF = 1000  # durations that are told apart where the user does not say how many
SHORTEST_BY_ITSELF = 10  # of counts: where sequences are short, what comes after them still ends as the family says


class SemiMarkovHMM(HiddenStates):
    """Hidden semi-Markov model: a state lasts a random number of steps, of a distribution of its own.

    The number of steps less one follows a family of counts; then comes another state. The first segment begins at
    the first observation. The last one is cut off by the end of the sequence: it lasts at least as long as is seen.

    Parameters
    ----------
    n_states : int
        The number K of hidden states, at least 2.
    emission : Emission, optional
        Family of the observations in each state; chosen by the data if None.
    durations : Emission, optional
        Family of the number of steps less one: counts, such as ``Poisson()``, the default, or ``Categorical()``,
        which gives each number of steps from 1 to `max_duration` a probability of its own.
    max_duration : int, optional
        How many durations are told apart: if None, the length of the longest sequence, but at most 1000, and with
        counts at least 10. A step of inference costs as much. Longer durations are impossible with Categorical. With
        counts, they are as probable in all as the family says, and a segment that has lasted so long ends with
        probability ``1 / max_duration`` at each step; where no sequence is longer, that makes no difference.
    init : {"kmeans", "random"} or dict
        As in :class:`HMM`; a dict may also have "durations". Where it has not, states are left with equal probability
        at each step where EM starts; of several such probabilities, the one that is best after a few steps is taken.
    n_init, max_iter, tol, n_jobs, random_state, verbose, callbacks
        As in :class:`HMM`.

    Attributes
    ----------
    initial_ : array (K,)
    transition_ : array (K, K)
        Row i holds the probabilities of the states after state i; the diagonal is zero.
    durations_ : NamedTuple
        Parameters of the family of durations less one, leading axis K.
    emission_ : NamedTuple
        Parameters of the family of observations, leading axis K. All four may be assigned.
    max_duration_ : int
    history_, n_iter_, converged_, family_
        As in :class:`HMM`.

    References
    ----------
    Guedon (2003), Estimating hidden semi-Markov chains from discrete sequences.
    Yu (2010), Hidden semi-Markov models.
    """

    def __init__(
        self,
        n_states=2,
        emission=None,
        durations=None,
        *,
        max_duration=None,
        init="kmeans",
        n_init=1,
        max_iter=100,
        tol=1e-4,
        n_jobs=None,
        random_state=None,
        verbose=0,
        callbacks=None,
    ):
        self.n_states = n_states
        self.emission = emission
        self.durations = durations
        self.max_duration = max_duration
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_parameters(
        cls, initial, transition, duration_parameters, emission_parameters, emission, durations=None, *,
        max_duration=None, alphabet=None,
    ):  # fmt: skip
        """A model that needs no fit.

        Parameters
        ----------
        initial : array (K,)
        transition : array (K, K)
            Zero on the diagonal.
        duration_parameters : NamedTuple or dict
            Of the family of durations less one, leading axis K: ``{"rates": [[3.0], [10.0]]}``.
        emission_parameters : NamedTuple or dict
            Of the family of observations, leading axis K.
        emission : Emission
        durations : Emission, optional
            ``Poisson()`` if None.
        max_duration : int, optional
            1000 if None; with Categorical durations, as many as there are probabilities.
        alphabet : sequence, optional
            The symbols of a Categorical family of observations; 0, 1, ... by default.
        """
        if not isinstance(emission, Emission):
            raise TypeError(f"emission is {emission!r}; an emission such as Gaussian() is accepted")
        refuse_past(emission, "SemiMarkovHMM")
        model = cls(np.size(initial), emission, durations, max_duration=max_duration)
        model._check_hyperparameters()
        model.family_ = emission
        given = {"initial": initial, "transition": transition, "emission": emission_parameters}
        given = model._checked_start(given | {"durations": duration_parameters})
        model._take(SemiMarkovParameters(*(given[name] for name in SemiMarkovParameters._fields)))
        model.max_duration_ = given["max_duration"] or LONGEST_BY_ITSELF
        model._support = model.initial_ > 0, model.transition_ > 0
        model._template = template_of(emission, model.emission_, alphabet)
        model.n_features_in_ = model._template.n_features
        return model

    # ---------------------------------------------------------------- fitting

    def _fit(self, sequences, validation, weights):
        self._check_hyperparameters()
        refuse_past(self.family_, "SemiMarkovHMM")
        data = TrainingData.of(sequences, self.family_, weights)
        given = self._checked_start(self.init) if isinstance(self.init, dict) else {}
        self.max_duration_ = given.pop("max_duration", None) or self.max_duration
        if self.max_duration_ is None:
            least = 1 if self._duration_family.symbolic else SHORTEST_BY_ITSELF
            self.max_duration_ = int(min(max(sequences.lengths.max(), least), LONGEST_BY_ITSELF))
        steps, runs = steps_of(self.family_, self._duration_family, self.max_duration_, data, self.n_jobs), []
        validate = (
            None
            if validation is None
            else lambda parameters: mean_term(self._filtered(validation, parameters)[0], validation)
        )
        with each_warning_once():
            for generator in np.random.default_rng(self.random_state).spawn(self.n_init):
                start = starting_point(self, given, sequences, data, steps, generator)
                self._support, self.history_ = (start.initial > 0, start.transition > 0), []
                run = climb(
                    start, steps, data.n_scored, max_iter=self.max_iter, tol=self.tol, validate=validate,
                    report=self._take_and_report,
                )  # fmt: skip
                runs.append((run, self._support))
        best, self._support = max(runs, key=lambda pair: pair[0].value)
        self._take(best.parameters)
        self.history_, self.n_iter_, self.converged_ = best.records, len(best.records) - 1, best.converged

    def _check_hyperparameters(self):
        check_hyperparameters(self, least_states=2)
        longest = self.max_duration
        if not (longest is None or (isinstance(longest, int | np.integer) and longest >= 1)):
            raise ValueError(f"max_duration is {longest!r}; None and integers from 1 are accepted")
        family = Poisson() if self.durations is None else self.durations
        self._duration_family = lengths_of_segments.checked_family(family)

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
            checked["durations"], checked["max_duration"] = lengths_of_segments.parameters_given(
                self._duration_family, given["durations"], self.n_states, self.max_duration
            )
        return checked

    def _take(self, parameters):
        self.initial_, self.transition_, self.durations_, self.emission_ = parameters

    def _take_and_report(self, parameters, record):
        self._take(parameters)
        return self._report(record)

    @property
    def n_parameters_(self):
        """Free parameters; what training starts with at zero is not free."""
        check_is_fitted(self, "emission_")
        initial, transition = self._support
        on_chain = int(initial.sum() - 1 + transition.sum() - len(transition))
        of_durations = self._duration_family.n_parameters(self.durations_)
        return on_chain + of_durations + self.family_.n_parameters(self.emission_)

    @property
    def expected_durations_(self):
        """The mean number of steps (K,) that each state lasts."""
        check_is_fitted(self, "emission_")
        tables = self._tables_of(self.durations_)
        end = np.exp(tables.leave)
        return np.exp(tables.survivor).sum(axis=1) + np.exp(tables.beyond) / end

    # ---------------------------------------------------------------- a belief is p(z_t, its age given x_<t), (n, K, A)

    def _tables_of(self, parameters):
        """Tables of durations; those that were made last are kept."""
        key = pickle.dumps((self.max_duration_, parameters))
        if getattr(self, "_tables", (None, None))[0] != key:
            tables = lengths_of_segments.durations_of(self._duration_family, parameters, self.max_duration_)
            self._tables = key, tables, tables.hazards()
        return self._tables[1]

    def start(self, n):
        """A first step in state z_1, n times."""
        check_is_fitted(self, "emission_")
        belief = np.zeros((n, len(self.initial_), self._tables_of(self.durations_).longest))
        belief[:, :, 0] = self.initial_
        return belief

    def predictive(self, belief):
        """The mixture of all states' emissions."""
        parameters = map_arrays(lambda array: np.asarray(array)[None], self.emission_)
        return Predictive(self.family_, belief.sum(axis=2), parameters, self._template)

    def _states_given(self, belief, values):
        """Given x_<=t, how probable each state and time spent in it is; an impossible observation is passed over."""
        parameters, mass = map_arrays(lambda array: np.asarray(array)[None], self.emission_), belief.sum(axis=2)
        with np.errstate(divide="ignore"):
            joint = np.log(mass) + self.family_.log_density(values[:, None], parameters)
        total = logsumexp(joint, axis=1, keepdims=True)
        possible = np.isfinite(total)
        states = np.where(possible, np.exp(joint - np.where(possible, total, 0.0)), mass)
        return states[:, :, None] * (belief / np.where(mass > 0, mass, 1.0)[:, :, None])

    def _hazards(self):
        self._tables_of(self.durations_)
        return self._tables[2]

    def _moved(self, states):
        end, on = self._hazards()
        belief = np.zeros_like(states)
        staying = states * on
        belief[:, :, 1:] = staying[:, :, :-1]
        belief[:, :, -1] += staying[:, :, -1]
        belief[:, :, 0] += (states * end).sum(axis=2) @ self.transition_
        return belief

    def _draw(self, belief, length, generator, temperature, top_k, top_p):
        """Whole segments, one step after the other; where symbols are reshaped, as in general."""
        if temperature != 1.0 or top_k is not None or top_p is not None:
            return super()._draw(belief, length, generator, temperature, top_k, top_p)
        (n, _, A), (end, _), transition = belief.shape, self._hazards(), np.asarray(self.transition_)
        state, age = np.divmod(choose(belief.reshape(n, -1), generator), A)
        emission = map_arrays(np.asarray, self.emission_)
        dtype = self._template.values.dtype if self.family_.discrete else float  # as in SequenceModel
        values = np.empty((n, length, self.n_features_in_), dtype=dtype)
        for t in range(length):
            values[:, t] = self.family_.sample(take(emission, state), generator)
            over = generator.random(n) < end[state, age]
            state = np.where(over, choose(transition[state], generator), state)
            age = np.where(over, 0, np.minimum(age + 1, A - 1))
        return values

    # ---------------------------------------------------------------- inference

    def _chain_and_source(self, sequences, parameters=None):
        if parameters is None:
            check_is_fitted(self, "emission_")
            parameters = SemiMarkovParameters(self.initial_, self.transition_, self.durations_, self.emission_)
        chain = segments.chain_of(parameters.initial, parameters.transition, self._tables_of(parameters.durations))
        values, rows = self.family_.distinct(sequences.values)
        return chain, source_of(self.family_, values, rows, parameters.emission, len(parameters.initial))

    def _filtered(self, sequences, parameters=None, with_ages=False):
        chain_and_source = self._chain_and_source(sequences, parameters)
        return segments.filtered(*chain_and_source, sequences.offsets, self.n_jobs, with_ages)

    def _beliefs_after(self, sequences):
        return self._moved(self._filtered(sequences, with_ages=True)[2])

    def _posterior(self, sequences):
        weights = np.ones(len(sequences))
        return segments.expectations(*self._chain_and_source(sequences), sequences.offsets, weights, self.n_jobs)[1]

    def _best_paths(self, sequences):
        return segments.best_paths(*self._chain_and_source(sequences), sequences.offsets, self.n_jobs)

    def _log_probability_of(self, states, sequences):
        return segments.log_probabilities_of(states, *self._chain_and_source(sequences), sequences.offsets)

    def _sampled_paths(self, sequences, n, generator):
        return segments.sample_paths(*self._chain_and_source(sequences), sequences.offsets, n, generator, self.n_jobs)
