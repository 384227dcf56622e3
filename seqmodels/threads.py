"""How many threads work."""

import functools

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@functools.cache
def _controller():
    return ThreadpoolController()


def one_blas_thread():
    """Context in which BLAS uses one thread.

    The products in training are small; a second BLAS thread gains little on them and, on a busy machine, waits
    for its turn ten times as long as the product takes.
    """
    return _controller().limit(limits=1, user_api="blas")
