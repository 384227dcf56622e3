"""What every model is: a belief about the next observation, updated by each one seen."""

from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .emissions.base import Emission
from .emissions.default import default_emission
from .forecasts import Forecasting
from .sequences import Sequences
from .threads import one_blas_thread

__all__ = ["SequenceModel", "mean_term"]


class SequenceModel(Forecasting, BaseEstimator):
    """Contract and common methods of all generative models.

    A model defines :meth:`start`, :meth:`predictive` and :meth:`update`, and how to fit. All else follows
    from these three; models override what they can do faster, and the tests hold the two against each other.
    A belief is an array whose leading axis runs over sequences.
    """

    #: Whether sequences may have a context, which :meth:`start` then takes and beliefs carry on.
    takes_context = False

    # ---------------------------------------------------------------- what a model defines

    def start(self, n):
        """The belief about n sequences before anything is seen: an array (n, ...).

        A model that takes contexts has a second argument, their vectors (n, C).
        """
        raise TypeError(f"{type(self).__name__} does not define start")

    def predictive(self, belief):
        """The `Predictive` of the next observations, given the belief (n, ...)."""
        raise TypeError(f"{type(self).__name__} does not define predictive")

    def update(self, belief, values):
        """The belief (n, ...) after seeing values (n, D); missing ones count as not seen."""
        raise TypeError(f"{type(self).__name__} does not define update")

    def _fit(self, sequences, validation, weights):
        """Estimate everything from checked data; `weights` is (N,) or None."""
        raise TypeError(f"{type(self).__name__} does not define _fit")

    # ---------------------------------------------------------------- fitting

    def fit(self, X, y=None, *, validation=None, lengths=None, sample_weight=None, context=None):
        """Estimate the model from sequences.

        Parameters
        ----------
        X : list of N arrays (T,) or (T, D), list of strings, Sequences
            See :meth:`Sequences.wrap`.
        y : ignored
        validation : like X, optional
            Held-out sequences that choose among the iterates (epochs) of training.
        lengths : list of int, optional
            Lengths of the sequences in X, where X is one array.
        sample_weight : array (N,), optional
            How often each sequence counts.
        context : array (N, C), optional
            For networks: a vector that conditions each sequence as a whole, and that all methods then ask for. The
            `validation` sequences bring theirs along, see :meth:`Sequences.with_context`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming the argument, the sequence and the position. The model is then as it was before.
        """
        return self._learn(self._fit, X, lengths, sample_weight, validation, context=context)

    def _learn(self, estimate, X, lengths, sample_weight, validation=None, onwards=False, context=None):
        """Call ``estimate(sequences, validation, weights)`` on checked data; if it fails, nothing has changed.

        Training that goes `onwards` reads data as the model does already.
        """
        before = dict(self.__dict__)
        try:
            sequences = Sequences.wrap(X, lengths)
            if context is not None:
                sequences = sequences.with_context(context)
            if sequences.given is not None:
                raise ValueError("X has observations that are merely given; such sequences can be scored only")
            if self.emission is not None and not isinstance(self.emission, Emission):
                raise TypeError(f"emission is {self.emission!r}; an emission such as Gaussian(), or None, is accepted")
            if onwards and self.emission is not None:
                self.family_ = self.emission
            sequences = self._known(sequences) if onwards else self._learn_data(sequences)
            if sequences.missing.all():
                raise ValueError("every observation of X is missing")
            validation = None if validation is None else self._known(validation, name="validation")
            weights = None if sample_weight is None else _checked_weights(sample_weight, len(sequences))
            with one_blas_thread():
                estimate(sequences, validation, weights)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _learn_data(self, sequences, name="X"):
        """Note what kind of data this is, and return it as the family wants it."""
        self.family_ = default_emission(sequences, name) if self.emission is None else self.emission
        sequences = self._as_symbols_or_numbers(sequences, sequences.alphabet, name)
        self.family_.check(sequences, name)
        self.n_features_in_ = sequences.n_features
        self._n_context = None if sequences.context is None else sequences.context.shape[1]
        self._refuse_context(sequences.context)
        self._template = replace(sequences[np.array([], dtype=int)], context=None)
        return sequences

    def _known(self, X, lengths=None, name="X", context=None):
        """Data after fit: checked against what fit saw, symbols in the model's codes, with a context if fit had one."""
        sequences = self._observed(X, lengths, name)
        if context is not None:
            sequences = sequences.with_context(context)
        self._check_context(sequences.context, len(sequences), name)
        return sequences

    def _check_context(self, context, n, name="X"):
        """Raise a ValueError unless n sequences have the kind of context (n, C) that they had in fit, or none."""
        self._refuse_context(context)
        expected = self.__dict__.get("_n_context")
        if context is None and expected is not None:
            raise ValueError(
                f"{name} has no context, and the model was fitted with one: context=, an array ({n}, {expected}), or "
                "Sequences.with_context is accepted"
            )
        if context is not None and expected is None:
            raise ValueError("context is given, and the model was fitted without one; None is accepted")
        if context is not None and context.shape[1] != expected:
            raise ValueError(f"context has {context.shape[1]} columns; the model was fitted to {expected}")

    def _refuse_context(self, context):
        if context is not None and not self.takes_context:
            raise ValueError(f"{type(self).__name__} takes no context; a network, such as RNN(LSTM(64)), does")

    def _observed(self, X, lengths=None, name="X"):
        """The same data, whatever context they have."""
        if "family_" not in self.__dict__:  # to ask scikit-learn takes as long as to score a short sequence
            check_is_fitted(self, "family_")
        sequences = Sequences.wrap(X, lengths, name=name)
        if sequences.n_features != self.n_features_in_:
            raise ValueError(
                f"{name} has {sequences.n_features} columns; the model was fitted to {self.n_features_in_}"
            )
        sequences = self._as_symbols_or_numbers(sequences, self._template.alphabet, name)
        self.family_.check(sequences, name)
        return sequences

    def _as_symbols_or_numbers(self, sequences, alphabet, name):
        """Codes of an alphabet (of the symbols that occur, if None) or numbers, as the family wants them."""
        if self.family_.symbolic:
            return sequences.encoded(alphabet, getattr(self.family_, "unknown", "keep"), name)
        return sequences.numeric(name)

    def _report(self, record):
        """Add a record to the history, tell those who want to know, and return whether one says stop."""
        self.history_.append(record)
        if self.verbose:
            print("  ".join(f"{key} {value:.6g}" for key, value in record.items() if value is not None))
        return any([callback(self, record) is True for callback in self.callbacks or ()])

    @property
    def alphabet_(self):
        """The symbols, in the order of their codes; None for numbers."""
        check_is_fitted(self, "family_")
        return self._template.alphabet

    # ---------------------------------------------------------------- likelihood

    def log_likelihoods(self, X, lengths=None, context=None):
        """The terms log p(x_t given x_<t), in nats.

        Here and in all methods: `lengths` are those of the sequences in X, where X is one array, and `context`
        (N, C) is for networks that were fitted with one.

        Returns
        -------
        list of N arrays (T,)
            0 where an observation is missing.
        """
        sequences = self._known(X, lengths, context=context)
        return sequences.split(np.where(sequences.missing.all(axis=1), 0.0, self._terms(sequences)))

    def log_likelihood(self, X, lengths=None, context=None):
        """Log-likelihood (N,) of each sequence, in nats."""
        sequences = self._known(X, lengths, context=context)
        return sequences.per_sequence(np.where(sequences.scored, self._terms(sequences), 0.0))

    def score(self, X, y=None, lengths=None, context=None):
        """Mean log-likelihood in nats per observed time step; higher is better."""
        sequences = self._known(X, lengths, context=context)
        return mean_term(self._terms(sequences), sequences)

    def aic(self, X, lengths=None, context=None):
        """Akaike's information criterion, ``2 p - 2 log L``; lower is better."""
        return 2 * self.n_parameters_ - 2 * float(self.log_likelihood(X, lengths, context).sum())

    def bic(self, X, lengths=None, context=None):
        """Bayesian information criterion, ``p log M - 2 log L`` over M observed steps; lower is better."""
        sequences = self._known(X, lengths, context=context)
        penalty = self.n_parameters_ * np.log(sequences.scored.sum())
        return float(penalty - 2 * self.log_likelihood(sequences).sum())

    def _terms(self, sequences):
        """Terms (M,) by the generic recursion, all sequences side by side."""
        terms = np.empty(sequences.n_observations)
        for rows, belief, values in self._walk(sequences):
            terms[rows] = self.predictive(belief).log_density_of(values)
        return terms

    def _start(self, n, context):
        """The belief at the start, in a context (n, C) or in none."""
        return self.start(n) if context is None else self.start(n, context)

    def _walk(self, sequences):
        """For each step t: the rows of the observations, the belief before them, and their values."""
        order = sequences.longest_first()
        lengths, starts = sequences.lengths[order], sequences.offsets[order]
        belief = self._start(len(order), None if sequences.context is None else sequences.context[order])
        for t in range(lengths[0]):
            n = int((lengths > t).sum())
            belief, rows = belief[:n], starts[:n] + t
            values = sequences.values[rows]
            yield rows, belief, values
            belief = self.update(belief, values)

    def _beliefs_after(self, sequences):
        """The belief after all of each sequence, in the order of the sequences."""
        order = sequences.longest_first()
        lengths = sequences.lengths[order]
        finished = []
        for t, (_, belief, values) in enumerate(self._walk(sequences)):
            finished.append(self.update(belief, values)[(lengths[: len(belief)] == t + 1)])
        return np.concatenate(finished[::-1])[np.argsort(order)]


def mean_term(terms, sequences):
    """Mean of terms (M,) over the observations that count."""
    if sequences.n_scored == 0:
        raise ValueError("there is nothing to score: every observation is missing or merely given")
    counted = terms if sequences.n_scored == len(terms) else terms[sequences.scored]
    return float(np.add.reduce(counted)) / len(counted)


def _checked_weights(weights, n):
    weights = np.asarray(weights, dtype=float)
    accepted = f"one number from 0 for each of the {n} sequences, not all of them 0, is accepted"
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}; {accepted}")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise ValueError(f"sample_weight[{np.argmax(wrong)}] is {weights[np.argmax(wrong)]}; {accepted}")
    if not weights.any():
        raise ValueError(f"sample_weight is 0 throughout; {accepted}")
    return weights
