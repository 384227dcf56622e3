"""How many threads work."""

import functools
import os
import threading
from queue import SimpleQueue

from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

__all__ = ["in_threads", "one_blas_thread"]


@functools.cache
def _controller():
    return ThreadpoolController()


def one_blas_thread():
    """Context in which BLAS uses one thread.

    The products in training are small; a second BLAS thread gains little on them and, on a busy machine, waits
    for its turn ten times as long as the product takes.
    """
    return _controller().limit(limits=1, user_api="blas")


class _Helpers:
    """Threads that wait for work; a queue costs a tenth of what an executor does for each call."""

    def __init__(self, n_threads):
        self._calls = SimpleQueue()
        for _ in range(n_threads):
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            function, answers = self._calls.get()
            try:
                function()
                answers.put(None)
            except BaseException as error:
                answers.put(error)
            del function, answers  # what they hold is not kept until the next call

    def call(self, function, answers):
        """Let one of the threads call a function, and put None or what it raised among the answers."""
        self._calls.put((function, answers))


@functools.cache
def _helpers(n_threads):
    return _Helpers(n_threads)


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def in_threads(function, tasks, n_jobs=None):
    """``[function(task) for task in tasks]``, in up to `n_jobs` threads.

    The tasks are fixed by the data and the results keep their order, so that nothing depends on `n_jobs`.
    Threads serve because kernels release Python's lock.

    Parameters
    ----------
    function : callable
        Must not call `in_threads` itself.
    tasks : list
    n_jobs : int, optional
        As in joblib: None is 1 outside of ``joblib.parallel_config``, -1 is all processors.
    """
    n_others = min(effective_n_jobs(n_jobs), len(tasks)) - 1 if len(tasks) > 1 else 0
    if n_others == 0:
        return [function(task) for task in tasks]
    results, waiting, answers = [None] * len(tasks), iter(range(len(tasks))), SimpleQueue()

    def work():
        try:
            for number in waiting:
                results[number] = function(tasks[number])
        except BaseException:
            list(waiting)  # the others begin no other task
            raise

    for _ in range(n_others):
        _helpers(n_others).call(work, answers)
    try:
        work()
    finally:
        errors = [answers.get() for _ in range(n_others)]
    for error in errors:
        if error is not None:
            raise error
    return results
