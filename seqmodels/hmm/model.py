"""The hidden Markov model."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..arrays import map_arrays
from ..emissions import Emission
from ..predictive import Predictive
from . import beliefs, inference
from .estimation import Estimation
from .freedom import Freedom
from .hidden import Paths
from .logarithms import logarithms_of
from .online import OnlineTraining
from .order import OrderedStates
from .start import checked_start, template_of
from .tables import source_of

__all__ = ["HMM"]


class HMM(Estimation, OnlineTraining, OrderedStates, Paths):
    """Hidden Markov model: a Markov chain that is not seen, and an observation at each of its steps.

    Parameters
    ----------
    n_states : int
        The number K of hidden states.
    emission : Emission, optional
        Family of the observations in each state, such as ``Poisson()``; chosen by the data if None.
    transitions : Ergodic, LeftToRight or Sticky, optional
        What is known about the chain; ``Ergodic(prior=1.0)`` if None.
    init : {"kmeans", "random"} or dict
        Where EM starts: states made of clusters of the observations or of random shares (symbols are shared
        out at random either way), or given values of any of "initial", "transition" and "emission".
    n_init : int
        How often to start; the best run is kept, by `validation` where it is given, else by the objective.
    max_iter : int
        The largest number of EM iterations.
    tol : float
        EM has converged when an iteration gains less than this, in nats per observation.
    training : {"baum-welch", "viterbi"}
        Expectation-maximisation over all paths, or on the most probable path of each sequence alone, which makes
        states look further apart than they are. The objective is then the log-probability of observations and
        paths, which `history_` holds in place of the log-likelihood.
    fixed : tuple of str
        Parameters that stay where training starts: "initial", "transition", "emission", or single parameters of
        the emission by name, such as "means" (of Gaussians and of mixtures of them).
    n_jobs : int, optional
        Threads; None is one, outside of ``joblib.parallel_config``, and -1 is all processors. The results are the
        same for any number.
    warm_start : bool
        Go on from the present parameters at the next ``fit``, in place of `init` and `n_init`; symbols keep their
        codes. Initial probabilities that the chain rules out, or ties to the transitions, are replaced by its own.
    memory : {"fast", "low"}
        With "low", no more than a few tiles of a long sequence are held at a time in training, which takes up to
        twice as long.
    random_state : int, optional
        Seed.
    verbose : int
        Print each iteration.
    callbacks : list, optional
        Functions of (model, record), called after each E-step; one that returns True stops the run.

    Attributes
    ----------
    initial_ : array (K,)
    transition_ : array (K, K)
        Row i holds the probabilities of the states after state i.
    emission_ : NamedTuple
        Parameters of the family, leading axis K. All three may be assigned.
    history_ : list of dict
        Of the run that was kept: iteration, objective (log-likelihood plus log prior), nats per observation
        on training and validation data, seconds.
    n_iter_ : int
    converged_ : bool
    family_ : Emission
        The family used.
    stationary_distribution_, expected_durations_ : arrays (K,)
        How often each state occurs in the long run, and how many steps it lasts.

    References
    ----------
    Rabiner (1989), A tutorial on hidden Markov models and selected applications in speech recognition.
    """

    def __init__(
        self,
        n_states=2,
        emission=None,
        *,
        transitions=None,
        init="kmeans",
        n_init=1,
        max_iter=100,
        tol=1e-4,
        training="baum-welch",
        fixed=(),
        n_jobs=None,
        warm_start=False,
        memory="fast",
        random_state=None,
        verbose=0,
        callbacks=None,
    ):
        self.n_states = n_states
        self.emission = emission
        self.transitions = transitions
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.training = training
        self.fixed = fixed
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_parameters(cls, initial, transition, emission_parameters, emission, alphabet=None):
        """A model that needs no fit.

        Parameters
        ----------
        initial : array (K,)
        transition : array (K, K)
        emission_parameters : NamedTuple or dict
            Of the family, leading axis K: ``Poisson.Parameters(rates)`` or ``{"rates": rates}``.
        emission : Emission
        alphabet : sequence, optional
            The symbols of a Categorical family; 0, 1, ... by default.
        """
        if not isinstance(emission, Emission):
            raise TypeError(f"emission is {emission!r}; an emission such as Gaussian() is accepted")
        model = cls(np.size(initial), emission)
        model.family_ = emission
        given = {"initial": initial, "transition": transition, "emission": emission_parameters}
        model._take(checked_start(given, model.n_states, emission).values())
        model._freedom, model._online = Freedom.of_given(model.initial_, model.transition_), None
        model._template = template_of(emission, model.emission_, alphabet)
        model.n_features_in_ = model._template.n_features
        return model

    # ---------------------------------------------------------------- a belief is log p(z_t given x_<t), (n, K)
    # and, behind it, the last observations, as many as the family depends on: (n, K + order D)

    def start(self, n):
        """``log p(z_1)``, n times."""
        check_is_fitted(self, "emission_")
        initial = np.repeat(logarithms_of(np.asarray(self.initial_, dtype=float))[None], n, axis=0)
        return np.concatenate([initial, np.full((n, self.family_.order * self.n_features_in_), np.nan)], axis=1)

    def _split(self, belief):
        """Logarithms of the states' probabilities (n, K), and the observations before (n, order D)."""
        K = len(self.initial_)
        return belief[:, :K], belief[:, K:]

    def predictive(self, belief):
        """The mixture of all states' emissions."""
        states, past = self._split(belief)
        parameters = map_arrays(lambda array: np.asarray(array)[None], self.emission_)
        family, parameters = self.family_.given(parameters, past[:, None])
        return Predictive(family, np.exp(states), parameters, self._template, states)

    def update(self, belief, values):
        """Bayes' rule, then one step of the chain."""
        states = self._moved(self._states_given(belief, values))
        past = np.concatenate([values, self._split(belief)[1]], axis=1)[:, : self.family_.order * values.shape[1]]
        return np.concatenate([states, past], axis=1)

    def _moved(self, states):
        return beliefs.moved(states, np.asarray(self.transition_, dtype=float))

    def _states_given(self, belief, values):
        """``log p(z_t given x_<=t)``, (n, K); an impossible observation is passed over."""
        states, past = self._split(belief)
        parameters = map_arrays(lambda array: np.asarray(array)[None], self.emission_)
        family, parameters = self.family_.given(parameters, past[:, None])
        return beliefs.given_densities(states, family.log_density(values[:, None], parameters))

    # ---------------------------------------------------------------- inference

    def _chain_and_source(self, sequences):
        check_is_fitted(self, "emission_")
        values, rows = self.family_.distinct(self.family_.with_past(sequences))
        initial, transition = np.asarray(self.initial_, float), np.asarray(self.transition_, float)
        source = source_of(self.family_, values, rows, self.emission_, len(initial))
        return initial, transition, source, sequences.offsets

    def _filtered(self, sequences):
        initial, transition, source, offsets = self._chain_and_source(sequences)
        return inference.filtered(initial, transition, *source.log_likelihoods(0, offsets[-1]), offsets)

    def _beliefs_after(self, sequences):
        initial, transition, source, offsets = self._chain_and_source(sequences)
        last, order = offsets[1:] - 1, self.family_.order
        states = inference.last_log_filters(initial, transition, *source.log_likelihoods(0, offsets[-1]), offsets)
        past = self.family_.with_past(sequences)[last][:, : order * sequences.n_features]
        return np.concatenate([self._moved(states), past], axis=1)
