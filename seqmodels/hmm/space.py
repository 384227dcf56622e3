"""Buffers that outlast one E-step: memory that is new costs more time than what is done in it."""

import threading

from ..arrays import aligned

__all__ = ["Space"]


class Space(threading.local):
    """Buffers that are used again: each thread has its own, by name."""

    def __init__(self):
        self._buffers = {}

    def take(self, name, n, width):
        """An array (n, width) that holds anything."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape[1] != width or len(buffer) < n:
            self._buffers[name] = None  # before there is another one
            buffer = self._buffers[name] = aligned(n, width)
        return buffer[:n]
