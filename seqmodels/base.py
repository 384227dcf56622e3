"""What every model is: a belief about the next observation, updated by each one seen."""

from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .arrays import map_arrays
from .emissions.base import Emission
from .emissions.categorical import Categorical, CategoricalParameters
from .emissions.default import default_emission
from .forms import as_context
from .predictive import Predictive
from .sequences import Sequences
from .threads import one_blas_thread

__all__ = ["N_PATHS", "SequenceModel", "Stream", "check_count", "mean_term", "point_of"]

N_PATHS = 1000  # sampled paths behind a forecast that has no closed form


class SequenceModel(BaseEstimator):
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
                raise TypeError(
                    f"emission is {self.emission!r}; an emission such as Gaussian(), or None, is accepted"
                )
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

    # ---------------------------------------------------------------- prediction

    def predict_next(self, X, lengths=None, context=None):
        """The `Predictive` over the N next observations, given each whole sequence."""
        return self.predictive(self._beliefs_after(self._known(X, lengths, context=context)))

    def predict(self, X, n_steps=1, beam_width=None, lengths=None, context=None):
        """Point forecasts of the next observations: the mean, or the most probable value for symbols.

        Parameters
        ----------
        X : like the data that the model was fitted to
        n_steps : int
            How far to look ahead. Step h is forecast from the distribution h steps ahead, which a network
            samples (seeded by `random_state`) and an HMM knows exactly.
        beam_width : int, optional
            For symbols: instead of the most probable symbol at each step, the most probable continuation as a
            whole, as found by beam search of this width.
        lengths, context : optional
            As for :meth:`log_likelihoods`.

        Returns
        -------
        list of N arrays (n_steps,) or (n_steps, D)
        """
        check_count("n_steps", n_steps)
        beliefs = self._beliefs_after(self._known(X, lengths, context=context))
        if beam_width is not None:
            return [
                self._template.outside(self._beam(beliefs[n : n + 1], n_steps, beam_width)) for n in range(len(beliefs))
            ]
        generator = np.random.default_rng(getattr(self, "random_state", None))
        return [self._template.outside(points) for points in self._point_forecasts(beliefs, n_steps, generator)]

    def forecast(self, X, n_steps, n_samples=N_PATHS, lengths=None, context=None):
        """Distributions of the next observations, one step ahead and more.

        Parameters
        ----------
        X : like the data that the model was fitted to
        n_steps : int
            How far to look ahead.
        n_samples : int
            Where there is no closed form beyond the first step, the forecast of each sequence is a mixture over so
            many paths, sampled with the seed `random_state`; an HMM knows it exactly.
        lengths, context : optional
            As for :meth:`log_likelihoods`.

        Returns
        -------
        list of `n_steps` Predictive
            Each over the N sequences; the first is that of :meth:`predict_next`, and the means (for symbols, the
            modes) are the point forecasts of :meth:`predict`.
        """
        check_count("n_steps", n_steps)
        check_count("n_samples", n_samples)
        beliefs = self._beliefs_after(self._known(X, lengths, context=context))
        return self._ahead(beliefs, n_steps, n_samples, np.random.default_rng(getattr(self, "random_state", None)))

    def _ahead(self, beliefs, n_steps, n_samples, generator):
        """The `Predictive` (n, ...) at each of the next steps, given beliefs (n, ...)."""
        found = [self.predictive(beliefs)]
        if n_steps > 1:
            each = [  # the paths of one sequence after those of another, as in predict
                list(self._sampled_ahead(beliefs[n : n + 1], n_steps, n_samples, generator))
                for n in range(len(beliefs))
            ]
            found += [_side_by_side(of_one_step) for of_one_step in zip(*each, strict=True)]
        return found

    def _sampled_ahead(self, belief, n_steps, n_samples, generator):
        """The same for one belief (1, ...) and from the second step on, from sampled paths."""
        paths = np.repeat(belief, n_samples, axis=0)
        for _ in range(n_steps - 1):
            paths = self.update(paths, self.predictive(paths).sample_values(generator))
            yield _pooled(self.predictive(paths))

    def _point_forecasts(self, beliefs, n_steps, generator):
        """Point forecasts (n_steps, D) of each sequence, one after the other: those of all may be large."""
        for n in range(len(beliefs)):
            ahead = self._ahead(beliefs[n : n + 1], n_steps, N_PATHS, generator)
            yield np.concatenate([point_of(each) for each in ahead])

    def _beam(self, belief, n_steps, width):
        """Codes (n_steps, 1) of the most probable continuation that a beam of this width finds."""
        if not width >= 1:
            raise ValueError(f"beam_width is {width!r}; integers from 1 are accepted")
        scores, paths = np.zeros(1), np.empty((1, 0), dtype=int)
        for _ in range(n_steps):
            with np.errstate(divide="ignore"):
                joint = scores[:, None] + np.log(self.predictive(belief).probabilities())  # (beams, V)
            best = np.argsort(-joint, axis=None, kind="stable")[:width]
            beam, code = np.unravel_index(best, joint.shape)
            scores, paths = joint[beam, code], np.column_stack([paths[beam], code])
            belief = self.update(belief[beam], code[:, None])
        return paths[0][:, None]

    def sample(
        self,
        n_sequences=1,
        length=100,
        *,
        prefix=None,
        temperature=1.0,
        top_k=None,
        top_p=None,
        random_state=None,
        context=None,
    ):
        """Draw sequences from the model.

        Parameters
        ----------
        n_sequences, length : int
        prefix : one sequence, optional
            The past that all samples continue; it is not repeated in them.
        temperature : float
            For symbols: below 1 sharpens each next-symbol distribution, above 1 flattens it.
        top_k, top_p : int, float, optional
            For symbols: draw from the k most probable ones, or from the fewest whose probability reaches p.
        random_state : int, optional
            Seed.
        context : array (n_sequences, C), optional
            For networks that were fitted with one: a vector that conditions each sample.

        Returns
        -------
        list of `n_sequences` arrays (length,) or (length, D), or strings
        """
        generator = np.random.default_rng(random_state)
        belief = self._start_sampling(n_sequences, length, prefix, context)
        values = self._draw(belief, length, generator, temperature, top_k, top_p)
        return [self._template.outside(sequence) for sequence in values]

    def _draw(self, belief, length, generator, temperature, top_k, top_p):
        """Values (n, length, D) that follow on a belief (n, ...)."""
        # real numbers stay real whatever they were fitted to; counts are of the type they came in
        dtype = self._template.values.dtype if self.family_.discrete else float
        values = np.empty((len(belief), length, self.n_features_in_), dtype=dtype)
        for t in range(length):
            values[:, t] = self.predictive(belief).sample_values(generator, temperature, top_k, top_p)
            belief = self.update(belief, values[:, t])
        return values

    def _start_sampling(self, n_sequences, length, prefix, context=None):
        check_is_fitted(self, "family_")
        check_count("n_sequences", n_sequences)
        check_count("length", length)
        context = None if context is None else as_context(context, n_sequences)
        self._check_context(context, n_sequences, "sample" if prefix is None else "prefix")
        if prefix is None:
            return self._start(n_sequences, context)
        past = self._observed([prefix], name="prefix")
        if context is not None:
            return self._beliefs_after(past[np.zeros(n_sequences, dtype=int)].with_context(context))
        return np.repeat(self._beliefs_after(past), n_sequences, axis=0)

    def stream(self, context=None):
        """An object that follows one sequence, observation by observation; `context` (C,) is for networks with one."""
        return Stream(self, self._start_stream(context))

    def _start_stream(self, context):
        check_is_fitted(self, "family_")
        context = None if context is None else as_context(np.atleast_2d(context), 1)
        self._check_context(context, 1, "stream")
        return self._start(1, context)


class Stream:
    """One sequence as it arrives: `predictive` is what is expected next, `update(x)` sees it."""

    def __init__(self, model, belief):
        self._model = model
        self._belief = belief

    @property
    def predictive(self):
        """The `Predictive` of the next observation, given all seen so far."""
        return self._model.predictive(self._belief)

    def update(self, x):
        """See one observation, and return its log density under what was expected, in nats."""
        self._seen = self._model._observed([[x]], name="x").values
        term = float(self.predictive.log_density_of(self._seen)[0])
        self._belief = self._model.update(self._belief, self._seen)
        return term


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


def check_count(name, value):
    """Raise a ValueError unless an argument is an integer from 1."""
    if not (isinstance(value, int | np.integer) and value >= 1):
        raise ValueError(f"{name} is {value!r}; integers from 1 are accepted")


def point_of(predictive):
    """Point forecasts (N, D): means, or modes for symbols."""
    return predictive.mode_values() if predictive.emission.symbolic else predictive.mean_values()


def _pooled(predictive):
    """N equally likely predictives as one mixture; one of symbols is a distribution of symbols again."""
    shares = predictive.weights / len(predictive)
    if isinstance(predictive.emission, Categorical):
        probabilities = predictive.parameters.probabilities
        probabilities = np.broadcast_to(probabilities, (*shares.shape, probabilities.shape[-1]))
        pooled = CategoricalParameters(np.tensordot(shares, probabilities, 2)[None, None])
        return Predictive(predictive.emission, np.ones((1, 1)), pooled, predictive._template)

    def flat(array):
        array = np.broadcast_to(array, (*predictive.weights.shape, *array.shape[2:]))
        return array.reshape(1, -1, *array.shape[2:])

    parameters = map_arrays(flat, predictive.parameters)
    return Predictive(predictive.emission, shares.reshape(1, -1), parameters, predictive._template)


def _side_by_side(predictives):
    """Predictives of one observation each, as one of N."""
    weights = np.concatenate([predictive.weights for predictive in predictives])
    parameters = map_arrays(lambda *arrays: np.concatenate(arrays), *(each.parameters for each in predictives))
    return Predictive(predictives[0].emission, weights, parameters, predictives[0]._template)
