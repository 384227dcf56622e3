"""What models with hidden states have in common, and the paths of a hidden Markov chain."""

from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from ..base import SequenceModel
from ..checks import check_count
from ..forecasts import N_PATHS, Stream, point_of
from .decoding import decode, log_probabilities_of
from .inference import posterior_of
from .k_best import k_best
from .path_sampling import sample_paths

__all__ = ["HiddenStates", "Paths"]


class HiddenStates(SequenceModel):
    """A model whose belief is the distribution of a hidden state, which moves on whether it is observed or not.

    Probabilities of beliefs are logarithms. Instead of :meth:`update`, a model defines `_states_given(belief,
    values)`, the distribution (n, K, ...) given the present observations as well, and `_moved(states)`, the belief
    after one step more; and of `Sequences`:
    `_filtered`, the terms (M,) and the states' probabilities (M, K) given past and present; `_posterior` (M, K);
    `_best_paths`, states (M,) and log p(states, observations) (N,); `_log_probability_of(states, sequences)`; and
    `_sampled_paths(sequences, n, generator)`, arrays (n, T), None for an impossible sequence.
    """

    def update(self, belief, values):
        """Bayes' rule, then one step of the chain."""
        return self._moved(self._states_given(belief, values))

    def posterior(self, X, lengths=None):
        """State probabilities given the whole sequence, p(z_t given x): a list of arrays (T, K)."""
        sequences = self._known(X, lengths)
        return sequences.split(self._posterior(sequences))

    def filter(self, X, lengths=None):
        """State probabilities given past and present only, p(z_t given x_<=t): a list of arrays (T, K)."""
        sequences = self._known(X, lengths)
        return sequences.split(self._filtered(sequences)[1])

    def decode(self, X, method="viterbi", lengths=None, return_log_probability=False):
        """Hidden states of each sequence.

        Parameters
        ----------
        X : like the data that the model was fitted to
        method : {"viterbi", "posterior"}
            The most probable path, or the most probable state at each step.
        return_log_probability : bool
            Also return log p(states, observations) of the path, whichever way it was found. A path of the states
            that are most probable each may be impossible as a whole: -inf.

        Returns
        -------
        list of N arrays (T,) of int, and with `return_log_probability` an array (N,)
        """
        if method not in ("viterbi", "posterior"):
            raise ValueError(f"method is {method!r}; 'viterbi' and 'posterior' are accepted")
        sequences = self._known(X, lengths)
        if method == "viterbi":
            states, log_probability = self._best_paths(sequences)
        else:
            states = self._posterior(sequences).argmax(axis=1)
            log_probability = self._log_probability_of(states, sequences) if return_log_probability else None
        paths = sequences.split(states)
        return (paths, log_probability) if return_log_probability else paths

    def _terms(self, sequences):
        return self._filtered(sequences)[0]

    def _ahead(self, beliefs, n_steps, n_samples, generator):
        """Exact: the chain moves on, unobserved. Where observations depend on those before, from sampled paths."""
        if self.family_.order:
            return super()._ahead(beliefs, n_steps, n_samples, generator)
        found = [self.predictive(beliefs)]
        for _ in range(n_steps - 1):
            beliefs = self._moved(beliefs)
            found.append(self.predictive(beliefs))
        return found

    def _point_forecasts(self, beliefs, n_steps, generator):
        """All sequences at once, where that takes no paths."""
        if self.family_.order:
            return super()._point_forecasts(beliefs, n_steps, generator)
        return np.stack([point_of(each) for each in self._ahead(beliefs, n_steps, N_PATHS, generator)], axis=1)

    def sample(
        self, n_sequences=1, length=100, *, prefix=None, temperature=1.0, top_k=None, top_p=None,
        random_state=None, return_states=False, context=None,
    ):  # fmt: skip
        """Draw sequences from the model.

        Parameters
        ----------
        n_sequences, length, prefix, temperature, top_k, top_p, random_state, context
            As for every model, see :meth:`SequenceModel.sample`.
        return_states : bool
            Also return hidden states, drawn from their distribution given each sample (and the prefix). The samples
            are the same as without.

        Returns
        -------
        list of `n_sequences` sequences, and with `return_states` a list of as many arrays (length,) of int
        """
        generator = np.random.default_rng(random_state)
        belief = self._start_sampling(n_sequences, length, prefix, context)
        values = self._draw(belief, length, generator, temperature, top_k, top_p)
        samples = [self._template.outside(sequence) for sequence in values]
        if not return_states:
            return samples
        if prefix is not None:
            past = self._known([prefix], name="prefix").values
            values = np.concatenate([np.repeat(past[None], n_sequences, axis=0), values], axis=1)
        offsets = np.arange(n_sequences + 1) * values.shape[1]
        sequences = replace(self._template, values=values.reshape(-1, values.shape[2]), offsets=offsets)
        found = self._sampled_paths(sequences, 1, generator)
        if any(paths is None for paths in found):  # whatever follows
            raise ValueError("prefix has probability zero under the model; it has no path to draw")
        return samples, [paths[0, -length:] for paths in found]

    def sample_paths(self, X, n=1, *, random_state=None, lengths=None):
        """Paths of hidden states drawn from their distribution given each whole sequence.

        Parameters
        ----------
        X : like the data that the model was fitted to
        n : int
            How many, independent of each other, for each sequence.
        random_state : int, optional
            Seed.

        Returns
        -------
        list of N arrays (n, T) of int

        Raises
        ------
        ValueError
            Naming a sequence of probability zero, which has no paths.
        """
        check_count("n", n)
        sequences = self._known(X, lengths)
        found = self._sampled_paths(sequences, n, np.random.default_rng(random_state))
        for number, paths in enumerate(found):
            if paths is None:
                raise ValueError(f"X[{number}] has probability zero under the model; it has no path to draw")
        return found

    def stream(self, context=None):
        """An object that follows one sequence, observation by observation.

        Besides what is expected next it knows the state: `filter` (K,) is p(z_t given x_<=t) after each update.
        """
        return StateStream(self, self._start_stream(context))


class StateStream(Stream):
    """One sequence as it arrives; `filter` (K,) holds the state's probabilities given all seen, None before that."""

    filter = None

    def update(self, x):
        """See one observation, and return its log density under what was expected, in nats."""
        before = self._belief
        term = super().update(x)
        states = self._model._states_given(before, self._seen)
        self.filter = np.exp(logsumexp(states.reshape(*states.shape[:2], -1), axis=2))[0]
        return term


class Paths(HiddenStates):
    """Paths of a hidden Markov chain, which is given by `_chain_and_source(sequences)`."""

    def _posterior(self, sequences):
        return posterior_of(*self._chain_and_source(sequences), self.n_jobs)

    def _best_paths(self, sequences):
        return decode(*self._chain_and_source(sequences), self.n_jobs)

    def _log_probability_of(self, states, sequences):
        return log_probabilities_of(states, *self._chain_and_source(sequences))

    def _sampled_paths(self, sequences, n, generator):
        uniforms = generator.random((sequences.n_observations, n))
        return sample_paths(*self._chain_and_source(sequences), uniforms, self.n_jobs)

    def k_best(self, X, k, lengths=None):
        """The k most probable paths of hidden states of each sequence, best first.

        There are fewer where fewer have a positive probability, and none for a sequence of probability zero. Of
        equally probable paths, the first is the one whose last state is the smaller, then whose last but one is.

        Parameters
        ----------
        X : like the data that the model was fitted to
        k : int

        Returns
        -------
        paths : list of N arrays (k, T) of int
        log_probabilities : list of N arrays (k,)
            log p(states, observations) of each path.
        """
        check_count("k", k)
        found = k_best(*self._chain_and_source(self._known(X, lengths)), int(k), self.n_jobs)
        return [paths for paths, _ in found], [log_probabilities for _, log_probabilities in found]
