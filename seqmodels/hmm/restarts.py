"""Training from several starts, of any model whose EM is a function of where it starts."""

from .freedom import Freedom

__all__ = ["Restarts"]


class Restarts:
    """A model with a chain, that takes parameters by `_take(parameters)`."""

    def _take_best_run(self, climb_from, starts, chain, before=None):
        """Take the parameters and the history of the best `Run` that `climb_from(start)` gives; of equals the first.

        What had vanished `before` goes on to be free. Callbacks see the model as it is on its way.
        """
        best, begun = None, None
        for start in starts:
            self._freedom, self.history_ = Freedom.of(chain, self.fixed, start, start, before), []
            run = climb_from(start)
            if best is None or run.value > best.value:
                best, begun = run, start
        self._take(best.parameters)
        self._freedom = Freedom.of(chain, self.fixed, begun, best.parameters, before)
        self.history_, self.n_iter_, self.converged_ = best.records, len(best.records) - 1, best.converged

    def _take_and_report(self, parameters, record):
        self._take(parameters)
        return self._report(record)
