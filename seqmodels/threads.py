"""How many threads work."""

import contextlib
import ctypes
import functools
import os
import threading
from queue import SimpleQueue

from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

__all__ = ["in_threads", "one_blas_thread"]

REMEMBERED = 100  # calls during which threads wait apart, once one was woken where another was at work


@functools.cache
def _controller():
    return ThreadpoolController()


def one_blas_thread():
    """Context in which BLAS uses one thread.

    The products in training are small; a second BLAS thread gains little on them and, on a busy machine, waits
    for its turn ten times as long as the product takes.
    """
    return _controller().limit(limits=1, user_api="blas")


@functools.cache
def _processor():
    """The system's function that tells the number of the processor a thread runs on; None where it has none."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    try:
        return ctypes.PyDLL(None).sched_getcpu
    except (OSError, AttributeError):
        return None


def _here():
    """The processor that this thread runs on, as a set, which is empty where that is not known."""
    processor = _processor()
    return set() if processor is None else {processor()}


class _Helpers:
    """Threads that wait for work; a queue costs a tenth of what an executor does for each call."""

    def __init__(self, n_threads):
        self.crowded = 0  # calls during which they still wait apart
        self._calls = SimpleQueue()
        for _ in range(n_threads):
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        reserved = set()
        while True:
            function, answers, reserved = self.next(self._calls, reserved)
            try:
                function()
                answers.put(None)
            except BaseException as error:
                answers.put(error)
            del function, answers  # what they hold is not kept until the next call

    def call(self, function, answers, reserved):
        """Let one of the threads call a function, and put None or what it raised among the answers.

        It waits for its next call elsewhere than on the processors that are `reserved` for the caller.
        """
        self._calls.put((function, answers, reserved))

    def next(self, queue, reserved, on_it=False):
        """The next entry of a queue; until it comes, this thread is kept off `reserved` processors, or on them.

        Otherwise, the system may wake it on that of the thread that wakes it, as it does in virtual machines whose
        other processors are asleep; both would share that one, call after call, and take twice as long. As this
        takes time, it is done for some calls after that has happened.
        """
        allowed = os.sched_getaffinity(0) if self.crowded else set()
        places = allowed & reserved if on_it else allowed - reserved
        if not places or places == allowed:
            return queue.get()
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, places)  # of this thread
        try:
            return queue.get()
        finally:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)


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
    helpers, own, others = _helpers(n_others), _here(), set()

    def work():
        try:
            for number in waiting:
                results[number] = function(tasks[number])
        except BaseException:
            list(waiting)  # the others begin no other task
            raise

    def work_elsewhere():
        others.update(_here())
        work()

    for _ in range(n_others):
        helpers.call(work_elsewhere, answers, own)
    try:
        work()
    finally:
        errors = [helpers.next(answers, own, on_it=True) for _ in range(n_others)]
        helpers.crowded = REMEMBERED if others & (own | _here()) else max(0, helpers.crowded - 1)
    for error in errors:
        if error is not None:
            raise error
    return results
