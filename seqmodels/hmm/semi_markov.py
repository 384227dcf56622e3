"""The hidden semi-Markov model."""

import pickle

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from ..arrays import choose, map_arrays, take
from ..emissions import Emission
from ..emissions.helpers import refuse_past
from ..predictive import Predictive
from . import beliefs, segments
from . import durations as lengths_of_segments
from .freedom import Freedom
from .hidden import HiddenStates
from .logarithms import logarithms_of
from .segment_estimation import LONGEST_BY_ITSELF, SegmentEstimation
from .segment_training import SemiMarkovParameters
from .start import template_of
from .tables import source_of

__all__ = ["SemiMarkovHMM"]


class SemiMarkovHMM(SegmentEstimation, HiddenStates):
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
    transitions : Ergodic, optional
        What is known about the transitions from a state to another: a prior, and entries that are fixed;
        ``Ergodic(prior=1.0)`` if None.
    max_duration : int, optional
        How many durations are told apart: if None, the length of the longest sequence, but at most 1000, and with
        counts at least 10. A step of inference costs as much. Longer durations are impossible with Categorical. With
        counts, they are as probable in all as the family says, and a segment that has lasted so long ends with
        probability ``1 / max_duration`` at each step; where no sequence is longer, that makes no difference.
    init : {"kmeans", "random"} or dict
        As in :class:`HMM`; a dict may also have "durations". Where it has not, states are left with equal probability
        at each step where EM starts; of several such probabilities, the one that is best after a few steps is taken.
    fixed : tuple of str
        Parameters that stay where training starts: "initial", "transition", "durations", "emission", or single
        parameters of the emission by name.
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
        transitions=None,
        max_duration=None,
        init="kmeans",
        n_init=1,
        max_iter=100,
        tol=1e-4,
        fixed=(),
        n_jobs=None,
        random_state=None,
        verbose=0,
        callbacks=None,
    ):
        self.n_states = n_states
        self.emission = emission
        self.durations = durations
        self.transitions = transitions
        self.max_duration = max_duration
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.fixed = fixed
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
        model._freedom = Freedom.of_given(model.initial_, model.transition_)
        model._template = template_of(emission, model.emission_, alphabet)
        model.n_features_in_ = model._template.n_features
        return model

    # ---------------------------------------------------------------- what was found

    @property
    def n_parameters_(self):
        """Free parameters; what is fixed, or zero where training starts, is not free."""
        check_is_fitted(self, "emission_")
        held = "durations" in self._freedom.fixed
        of_durations = 0 if held else self._duration_family.n_parameters(self.durations_)
        return of_durations + self._freedom.count(self.initial_, self.transition_, self.emission_, self.family_)

    @property
    def expected_durations_(self):
        """The mean number of steps (K,) that each state lasts."""
        check_is_fitted(self, "emission_")
        tables, _ = self._tables_of(self.durations_)
        end = np.exp(tables.leave)
        return np.exp(tables.survivor).sum(axis=1) + np.exp(tables.beyond) / end

    # ------------------------------------------------------------ a belief is log p(z_t, its age given x_<t), (n, K, A)

    def _tables_of(self, parameters):
        """Tables of durations, and logarithms of their hazards; those that were made last are kept."""
        key = pickle.dumps((self.max_duration_, parameters))
        if self.__dict__.get("_tables_for", (None,))[0] != key:
            tables = lengths_of_segments.durations_of(self._duration_family, parameters, self.max_duration_)
            self._tables_for = key, (tables, [logarithms_of(hazards) for hazards in tables.hazards()])
        return self._tables_for[1]

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_tables_for"}

    def start(self, n):
        """A first step in state z_1, n times."""
        check_is_fitted(self, "emission_")
        tables, _ = self._tables_of(self.durations_)
        belief = np.full((n, len(self.initial_), tables.longest), -np.inf)
        belief[:, :, 0] = logarithms_of(np.asarray(self.initial_, dtype=float))
        return belief

    def predictive(self, belief):
        """The mixture of all states' emissions."""
        parameters = map_arrays(lambda array: np.asarray(array)[None], self.emission_)
        states = logsumexp(belief, axis=2)
        return Predictive(self.family_, np.exp(states), parameters, self._template, states)

    def _states_given(self, belief, values):
        """Given x_<=t, how probable each state and time spent in it is; an impossible observation is passed over."""
        parameters, mass = map_arrays(lambda array: np.asarray(array)[None], self.emission_), logsumexp(belief, axis=2)
        states = beliefs.given_densities(mass, self.family_.log_density(values[:, None], parameters))
        possible = mass > -np.inf
        return belief + (states - np.where(possible, mass, 0.0))[:, :, None]

    def _moved(self, states):
        _, (end, on) = self._tables_of(self.durations_)
        staying, belief = states + on, np.full_like(states, -np.inf)
        belief[:, :, 1:] = staying[:, :, :-1]
        belief[:, :, -1] = np.logaddexp(belief[:, :, -1], staying[:, :, -1])
        begun = beliefs.moved(logsumexp(states + end, axis=2), np.asarray(self.transition_, dtype=float))
        belief[:, :, 0] = np.logaddexp(belief[:, :, 0], begun)
        return belief

    def _draw(self, belief, length, generator, temperature, top_k, top_p):
        """Whole segments, one step after the other; where symbols are reshaped, as in general."""
        if temperature != 1.0 or top_k is not None or top_p is not None:
            return super()._draw(belief, length, generator, temperature, top_k, top_p)
        (n, _, A), transition = belief.shape, np.asarray(self.transition_)
        _, (end, _) = self._tables_of(self.durations_)
        state, age = np.divmod(choose(np.exp(belief).reshape(n, -1), generator), A)
        end = np.exp(end)
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
        tables, _ = self._tables_of(parameters.durations)
        chain = segments.chain_of(parameters.initial, parameters.transition, tables)
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
