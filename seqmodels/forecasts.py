"""What follows from beliefs about the future: forecasts, samples, streams."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .arrays import map_arrays
from .checks import check_count
from .emissions.categorical import Categorical, CategoricalParameters
from .forms import as_context
from .predictive import Predictive

__all__ = ["N_PATHS", "Forecasting", "Stream", "point_of"]

N_PATHS = 1000  # sampled paths behind a forecast that has no closed form


class Forecasting:
    """Methods of all generative models that look ahead, from what a model defines."""

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
            check_count("beam_width", beam_width)
            if not self.family_.symbolic:
                raise ValueError(f"beam_width is {beam_width!r}, and {self.family_!r} has no symbols; None is accepted")
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
