"""How many threads work."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor, wait

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


@functools.cache
def _pool(n_threads):
    return ThreadPoolExecutor(n_threads, thread_name_prefix="seqmodels")


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


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
    n_threads = min(effective_n_jobs(n_jobs), len(tasks)) if len(tasks) > 1 else 1
    if n_threads == 1:
        return [function(task) for task in tasks]
    results, waiting = [None] * len(tasks), iter(range(len(tasks)))

    def work():
        try:
            for number in waiting:
                results[number] = function(tasks[number])
        except BaseException:
            list(waiting)  # the others begin no other task
            raise

    others = [_pool(n_threads - 1).submit(work) for _ in range(n_threads - 1)]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()
    return results
