"""Models that train as a test tells them to, on a clock that it holds."""

import numpy as np

from seqmodels import Independent


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Scripted(Independent):
    """Independent, after training that takes `n_steps` steps of `seconds` each on a `Clock`."""

    clock = Clock()

    def __init__(self, emission=None, max_iter=5, seconds=1.0, n_steps=3, random_state=None, callbacks=None):
        super().__init__(emission)
        self.max_iter = max_iter
        self.seconds = seconds
        self.n_steps = n_steps
        self.random_state = random_state
        self.callbacks = callbacks

    def _fit(self, sequences, validation, weights):
        super()._fit(sequences, validation, weights)
        self.seen_ = sequences, validation
        self.history_ = []
        self.verbose = 0
        for iteration in range(self.max_iter + 1):
            self.clock.now += self.seconds
            record = {"iteration": iteration, "train": -2.0, "validation": -3.0 + 0.1 * iteration}
            record["seconds"] = (iteration + 1) * self.seconds
            stop = self._report(record)
            self.converged_ = iteration == self.n_steps
            if stop or self.converged_:
                break
        self.n_iter_ = len(self.history_) - 1


class Interrupted(Independent):
    """Control-C comes while this is fitted."""

    def _fit(self, sequences, validation, weights):
        raise KeyboardInterrupt


class Impossible(Independent):
    """Gives the first observation of each sequence probability zero."""

    def _terms(self, sequences):
        terms = super()._terms(sequences).copy()
        terms[sequences.offsets[:-1]] = -np.inf
        return terms


class Constant(Independent):
    """Every term is `value`."""

    def __init__(self, value=-1.0, emission=None):
        super().__init__(emission)
        self.value = value

    def _terms(self, sequences):
        return np.full(sequences.n_observations, self.value)
