"""An object in a process of its own, as its users have it: no other side's memory and threads are beside it."""

import contextlib
import importlib
import os
import pathlib
import pickle
import subprocess
import sys
import time
import traceback

__all__ = ["Apart"]


class Apart:
    """Calls methods of an object that is made, and lives, in a process of its own; to be closed, or used with `with`.

    Parameters
    ----------
    module, name : str
        What makes the object: ``module.name(*arguments)``.
    *arguments
        Here as in calls, what can be pickled.
    environment : dict, optional
        Variables that its process has besides those of this one.

    Raises
    ------
    RuntimeError
        What the other process raised, as text.
    """

    def __init__(self, module, name, *arguments, environment=None):
        command = [sys.executable, str(pathlib.Path(__file__).resolve())]
        variables = os.environ | (environment or {})
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables)
        try:
            self.call(module, name, *arguments)
        except BaseException:
            self.close()
            raise

    def call(self, method, *arguments):
        """What a method of the object returns."""
        pickle.dump((method, arguments), self._process.stdin)
        self._process.stdin.flush()
        try:
            answer, error = pickle.load(self._process.stdout)
        except EOFError:
            error = f"the process of a peer has ended with status {self._process.wait()}"
        if error is not None:
            raise RuntimeError(error)
        return answer

    def cpu_seconds(self):
        """Seconds that its processors have worked so far."""
        return self.call("")

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve():
    """Make the object, and answer calls until nobody asks any more."""
    answers, thing = os.fdopen(os.dup(1), "wb"), None
    os.dup2(2, 1)  # what a library prints is not an answer
    with contextlib.suppress(EOFError):
        while True:
            method, arguments = pickle.load(sys.stdin.buffer)
            answer = error = None
            try:
                if not method:
                    answer = time.process_time()
                elif thing is None:
                    name, *arguments = arguments
                    thing = getattr(importlib.import_module(method), name)(*arguments)
                else:
                    answer = getattr(thing, method)(*arguments)
            except Exception:
                error = traceback.format_exc()
            pickle.dump((answer, error), answers)
            answers.flush()


if __name__ == "__main__":
    serve()
