"""The hidden Markov model."""

import numbers
import warnings
from contextlib import contextmanager

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from ..arrays import choose, map_arrays
from ..base import SequenceModel, mean_term
from ..emissions import Emission
from ..predictive import Predictive
from ..sequences import Sequences
from . import inference
from .decoding import decode
from .start import (
    check_shapes,
    checked_start,
    made_up_responsibilities,
    responsibilities_under,
    row_counts,
    starting_transition,
)
from .tables import source_of
from .training import Parameters, TrainingData, baum_welch
from .transitions import Ergodic

__all__ = ["HMM"]


class HMM(SequenceModel):
    """Hidden Markov model: a Markov chain that is not seen, and an observation at each of its steps.

    Parameters
    ----------
    n_states : int
        The number K of hidden states.
    emission : Emission, optional
        Family of the observations in each state, such as ``Poisson()``; chosen by the data if None.
    transitions : Ergodic, optional
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
    n_jobs : int, optional
        Threads; None is one, outside of ``joblib.parallel_config``, and -1 is all processors. The results are the
        same for any number.
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
        n_jobs=None,
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
        self.n_jobs = n_jobs
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
        model._support = model.initial_ > 0, model.transition_ > 0
        if emission.symbolic:
            n_symbols = emission.n_symbols(model.emission_)
            alphabet = tuple(range(n_symbols)) if alphabet is None else tuple(alphabet)
            if len(set(alphabet)) < len(alphabet) or len(alphabet) not in (n_symbols, n_symbols - 1):
                raise ValueError(
                    f"alphabet has {len(alphabet)} symbols, {len(set(alphabet))} of them different; {n_symbols} "
                    f"different ones are accepted, or {n_symbols - 1} where the last probability is of the unknown one"
                )
            model.n_features_in_ = 1
            values = np.empty((0, 1), dtype=np.int64)
        else:
            model.n_features_in_ = emission.mean(model.emission_).shape[-1]
            values = np.empty((0, model.n_features_in_))
        form = "flat" if model.n_features_in_ == 1 else "rows"
        model._template = Sequences(values, np.zeros(1, dtype=np.int64), alphabet, form)
        return model

    # ---------------------------------------------------------------- fitting

    def _fit(self, sequences, validation, weights):
        self._check_hyperparameters()
        chain = Ergodic() if self.transitions is None else self.transitions
        if not isinstance(chain, Ergodic):
            raise TypeError(f"transitions is {chain!r}; Ergodic() or None is accepted")
        chain.check()
        data = TrainingData.of(sequences, self.family_, weights)
        if data.n_scored == 0:
            raise ValueError("every observation of the sequences with a positive sample_weight is missing")
        generators = np.random.default_rng(self.random_state).spawn(self.n_init)
        self.history_ = []
        validate = None if validation is None else self._validator(validation)
        runs = []
        with _each_warning_once():
            for generator in generators:
                start = self._start(sequences, data, generator)
                self._support = start.initial > 0, start.transition > 0
                self.history_ = []
                run = baum_welch(
                    start, self.family_, chain, data, max_iter=self.max_iter, tol=self.tol, validate=validate,
                    report=self._take_and_report, n_jobs=self.n_jobs, memory=self.memory,
                )  # fmt: skip
                runs.append((run, self._support))
        best, self._support = max(runs, key=lambda pair: pair[0].value)
        self._take(best.parameters)
        self.history_ = best.records
        self.n_iter_ = len(best.records) - 1
        self.converged_ = best.converged

    def _check_hyperparameters(self):
        for name, least in (("n_states", 1), ("n_init", 1), ("max_iter", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= least):
                raise ValueError(f"{name} is {value!r}; integers from {least} are accepted")
        if not (isinstance(self.tol, numbers.Real) and self.tol >= 0):
            raise ValueError(f"tol is {self.tol!r}; numbers from 0 are accepted")
        if not (isinstance(self.init, dict) or self.init in ("kmeans", "random")):
            raise ValueError(f"init is {self.init!r}; 'kmeans', 'random' or a dict is accepted")
        if not (self.n_jobs is None or (isinstance(self.n_jobs, int | np.integer) and self.n_jobs != 0)):
            raise ValueError(f"n_jobs is {self.n_jobs!r}; None and integers but 0 are accepted")
        if self.memory not in ("fast", "low"):
            raise ValueError(f"memory is {self.memory!r}; 'fast' and 'low' are accepted")

    def _start(self, sequences, data, generator):
        K, given = self.n_states, {}
        if isinstance(self.init, dict):
            given = checked_start(self.init, K, self.family_)
        counts = row_counts(data, ~sequences.missing.all(axis=1))
        rough = self.family_.rough(sequences)
        emission = given.get("emission")
        if emission is None:
            how = self.init if isinstance(self.init, str) else "kmeans"
            shares = made_up_responsibilities(how, K, data.values, counts, self.family_, generator)
            visits = shares * counts[:, None]
            emission = self.family_.initial_parameters(data.values, visits, rough, generator)
        else:
            check_shapes(emission, rough)
            shares = responsibilities_under(self.family_.log_table(data.values, emission))
        initial = given.get("initial", np.full(K, 1 / K))
        transition = given.get("transition")
        if transition is None:
            transition = starting_transition(shares, data.rows, data.offsets, generator)
        return Parameters(initial, transition, emission)

    def _take(self, parameters):
        self.initial_, self.transition_, self.emission_ = parameters

    def _take_and_report(self, parameters, record):
        self._take(parameters)
        return self._report(record)

    def _validator(self, validation):
        values, rows = self.family_.distinct(self.family_.with_past(validation))

        def validate(parameters):
            log_table = self.family_.log_table(values, parameters.emission)
            terms, _ = inference.filtered(
                parameters.initial, parameters.transition, log_table, rows, validation.offsets
            )
            return mean_term(terms, validation)

        return validate

    @property
    def n_parameters_(self):
        """Free parameters; what training starts with at zero is not free."""
        check_is_fitted(self, "emission_")
        initial, transition = self._support
        on_chain = int(initial.sum() - 1 + transition.sum() - len(transition))
        return on_chain + self.family_.n_parameters(self.emission_)

    # ---------------------------------------------------------------- a belief is p(z_t given x_<t), (n, K)
    # and, behind it, the last observations, as many as the family depends on: (n, K + order D)

    def start(self, n):
        """p(z_1), n times."""
        check_is_fitted(self, "emission_")
        initial = np.repeat(np.asarray(self.initial_, dtype=float)[None], n, axis=0)
        return np.concatenate([initial, np.full((n, self.family_.order * self.n_features_in_), np.nan)], axis=1)

    def _split(self, belief):
        """State probabilities (n, K), and the observations before (n, order D)."""
        K = len(self.initial_)
        return belief[:, :K], belief[:, K:]

    def predictive(self, belief):
        """The mixture of all states' emissions."""
        states, past = self._split(belief)
        parameters = map_arrays(lambda array: np.asarray(array)[None], self.emission_)
        family, parameters = self.family_.given(parameters, past[:, None])
        return Predictive(family, states, parameters, self._template)

    def update(self, belief, values):
        """Bayes' rule, then one step of the chain."""
        return self._after(self._states_given(belief, values), belief, values)

    def _after(self, states, belief, values):
        """The belief after values (n, D), given which the states (n, K) have these probabilities."""
        past = np.concatenate([values, self._split(belief)[1]], axis=1)[:, : self.family_.order * values.shape[1]]
        return np.concatenate([states @ self.transition_, past], axis=1)

    def _states_given(self, belief, values):
        """p(z_t given x_<=t), (n, K); an impossible observation is passed over."""
        states, past = self._split(belief)
        parameters = map_arrays(lambda array: np.asarray(array)[None], self.emission_)
        family, parameters = self.family_.given(parameters, past[:, None])
        with np.errstate(divide="ignore"):
            joint = np.log(states) + family.log_density(values[:, None], parameters)
        total = logsumexp(joint, axis=1, keepdims=True)
        possible = np.isfinite(total)
        return np.where(possible, np.exp(joint - np.where(possible, total, 0.0)), states)

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

    def _terms(self, sequences):
        return self._filtered(sequences)[0]

    def _beliefs_after(self, sequences):
        _, filters = self._filtered(sequences)
        last, order = sequences.offsets[1:] - 1, self.family_.order
        past = self.family_.with_past(sequences)[last][:, : order * sequences.n_features]
        return np.concatenate([filters[last] @ self.transition_, past], axis=1)

    def posterior(self, X, lengths=None):
        """State probabilities given the whole sequence, p(z_t given x): a list of arrays (T, K)."""
        sequences = self._known(X, lengths)
        return sequences.split(inference.posterior_of(*self._chain_and_source(sequences), self.n_jobs))

    def filter(self, X, lengths=None):
        """State probabilities given past and present only, p(z_t given x_<=t): a list of arrays (T, K)."""
        sequences = self._known(X, lengths)
        return sequences.split(self._filtered(sequences)[1])

    def decode(self, X, method="viterbi", lengths=None):
        """Hidden states of each sequence.

        Parameters
        ----------
        X : like the data that the model was fitted to
        method : {"viterbi", "posterior"}
            The most probable path, or the most probable state at each step.

        Returns
        -------
        list of N arrays (T,) of int
        """
        if method not in ("viterbi", "posterior"):
            raise ValueError(f"method is {method!r}; 'viterbi' and 'posterior' are accepted")
        if method == "posterior":
            return [gamma.argmax(axis=1) for gamma in self.posterior(X, lengths)]
        sequences = self._known(X, lengths)
        return sequences.split(decode(*self._chain_and_source(sequences), self.n_jobs)[0])

    # ---------------------------------------------------------------- prediction

    def _point_forecast(self, belief, n_steps, generator):
        """Exact, where the family looks at nothing before: the chain moves on, unobserved."""
        if self.family_.order:
            return super()._point_forecast(belief, n_steps, generator)
        beliefs = [belief[0]]
        for _ in range(n_steps - 1):
            beliefs.append(beliefs[-1] @ self.transition_)
        ahead = self.predictive(np.array(beliefs))
        return ahead.mode_values() if self.family_.symbolic else ahead.mean_values()

    def sample(
        self, n_sequences=1, length=100, *, prefix=None, temperature=1.0, top_k=None, top_p=None,
        random_state=None, return_states=False,
    ):  # fmt: skip
        """Draw sequences from the model.

        Parameters
        ----------
        n_sequences, length, prefix, temperature, top_k, top_p, random_state
            As for every model, see :meth:`SequenceModel.sample`.
        return_states : bool
            Also return hidden states, drawn from their distribution given each sample. The samples are the same
            as without.

        Returns
        -------
        list of `n_sequences` sequences, and with `return_states` a list of as many arrays (length,) of int
        """
        if not return_states:
            return super().sample(
                n_sequences, length, prefix=prefix, temperature=temperature, top_k=top_k, top_p=top_p,
                random_state=random_state,
            )  # fmt: skip
        generator = np.random.default_rng(random_state)
        belief, transition = self._start_sampling(n_sequences, length, prefix), np.asarray(self.transition_)
        dtype = self._template.values.dtype if self.family_.discrete else float  # as in SequenceModel.sample
        values = np.empty((n_sequences, length, self.n_features_in_), dtype=dtype)
        filters = np.empty((n_sequences, length, len(transition)))
        for t in range(length):
            values[:, t] = self.predictive(belief).sample_values(generator, temperature, top_k, top_p)
            filters[:, t] = self._states_given(belief, values[:, t])
            belief = self._after(filters[:, t], belief, values[:, t])
        states = np.empty((n_sequences, length), dtype=np.int64)
        states[:, -1] = choose(filters[:, -1], generator)
        for t in range(length - 2, -1, -1):  # p(z_t given x_<=t and z_t+1)
            states[:, t] = choose(filters[:, t] * transition.T[states[:, t + 1]], generator)
        return [self._template.outside(sequence) for sequence in values], list(states)


@contextmanager
def _each_warning_once():
    """What every iteration would say again is said once, at the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for category, text in dict.fromkeys((w.category, str(w.message)) for w in caught):
        warnings.warn(text, category, stacklevel=4)
