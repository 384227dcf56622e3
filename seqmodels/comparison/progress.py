"""What a comparison shows while it runs, and the callback that holds each fit to its time."""

import sys
import time

from .. import jit

__all__ = ["Lines", "Silent", "Watch", "display", "require", "share"]


def require(module, what):
    """Import a module of the extra `compare`, or say how to get it."""
    try:
        return __import__(module, fromlist=["_"])
    except ImportError as error:
        raise ImportError(f'{what} needs {module.split(".")[0]}: pip install "seqmodels[compare]"') from error


class Watch:
    """Callback of one fit: stops it when its time is up, and says where it is.

    The first of n fits that share the time until a deadline has an n-th of what is left after its first
    record: what comes before that (compilation, mostly) serves the others too and is at the expense of all.

    Parameters
    ----------
    deadline : float
        On the clock of :func:`time.perf_counter`; infinite for none.
    n_sharing : int
        How many fits, this one included, have the time until then.
    show : callable
        Called with each record.
    """

    def __init__(self, deadline, n_sharing, show):
        self._deadline = deadline
        self._n_sharing = n_sharing
        self._show = show
        self._until = None
        self.stopped = False

    def __call__(self, model, record):
        """Take a record of training, and say whether to stop."""
        self._show(record)
        if self._until is None:
            self._until = share(self._deadline, self._n_sharing)
        self.stopped = time.perf_counter() >= self._until
        return self.stopped


def share(deadline, n, reserve=0.0):
    """When the first of n that share the time until `deadline` has to stop.

    It leaves `reserve` seconds of its share for what comes after.
    """
    now = time.perf_counter()
    return now + max(0.0, (deadline - now) / n - reserve)


# -------------------------------------------------------------------- displays


class Silent:
    """Shows nothing, and says what displays are told."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def begin(self, name, deadline, n_candidates):
        """The models under one name come next."""

    def candidate(self, note, limit):
        """A candidate starts, with so many iterations or epochs at most; None if there are none to count."""

    def record(self, record):
        """A record of its training, as callbacks get it."""

    def end(self, row):
        """The models under this name are done, and this is the row of the chosen one."""


class Lines(Silent):
    """One line for each model that is done, for files and pipes."""

    def __init__(self, stream):
        self._stream = stream

    def end(self, row):
        """Say how the chosen one did."""
        line = f"{row.label}: {row.seconds:.1f} s, validation {row.validation:.3f} nats per observation"
        print(line, file=self._stream, flush=True)


class Bars(Silent):
    """One live bar for each model."""

    def __init__(self, console):
        progress, text = (require(f"rich.{module}", "the progress bar") for module in ("progress", "text"))

        class TimeLeft(progress.ProgressColumn):
            max_refresh = 0.5

            def render(self, task):
                left = task.fields["left"]()
                return text.Text("" if left is None else f"{left:.0f} s left", style="progress.remaining")

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(16),
            progress.TextColumn("{task.fields[place]:18}"),
            progress.TextColumn("{task.fields[figures]}"),
            TimeLeft(),
            console=console,
        )
        self._task = None
        self._compiling = 0
        self._listener = jit.when_compiling(self._compile)

    def __enter__(self):
        self._progress.__enter__()
        self._listener.__enter__()
        return self

    def __exit__(self, *exception):
        self._listener.__exit__(*exception)
        self._progress.__exit__(*exception)

    def begin(self, name, deadline, n_candidates):
        self._name, self._deadline, self._n_candidates = name, deadline, n_candidates
        self._began, self._done, self._within = time.perf_counter(), 0, 0.0
        self._task = self._progress.add_task(name, total=1.0, place="", figures="", left=self._left)

    def candidate(self, note, limit):
        self._limit, self._within, self._figures = limit, 0.0, {}
        self._place = "fitting" if limit is None else "starting"
        self._progress.update(
            self._task,
            description=f"{self._name}, {note}" if note else self._name,
            completed=self._fraction(),
        )
        self._show_place()
        self._done += 1

    def record(self, record):
        unit = "epoch" if "epoch" in record else "iteration"
        count = record[unit]
        if self._limit:
            self._within = min(1.0, count / self._limit)
        of = f"/{self._limit}" if self._limit else ""
        self._place = f"{unit} {count:.1f}{of}" if count % 1 else f"{unit} {count:.0f}{of}"
        for part, words in (("train", "train"), ("validation", "valid.")):
            if record.get(part) is not None:  # else what was last known stands
                self._figures[words] = f"{words} {record[part]:.3f}"
        self._progress.update(self._task, figures=", ".join(self._figures.values()), completed=self._fraction())
        self._show_place()

    def end(self, row):
        self._progress.update(
            self._task, completed=1.0, description=row.label, place=f"{row.seconds:.1f} s",
            figures=f"valid. {row.validation:.3f}", left=lambda: None,
        )  # fmt: skip
        self._task = None

    def _compile(self, begins):
        self._compiling += 1 if begins else -1
        if self._task is not None:
            self._show_place()

    def _show_place(self):
        self._progress.update(self._task, place="compiling" if self._compiling else self._place)

    def _fraction(self):
        """How much of this model's work is done: by its iterations or by its time, whichever is further."""
        by_count = (max(0, self._done - 1) + self._within) / self._n_candidates
        elapsed = time.perf_counter() - self._began
        allowed = max(self._deadline - self._began, 1e-9)
        return max(by_count, min(1.0, elapsed / allowed))

    def _left(self):
        elapsed = time.perf_counter() - self._began
        fraction = self._fraction()
        by_work = elapsed / fraction - elapsed if fraction > 0 else float("inf")
        left = max(0.0, min(by_work, self._deadline - time.perf_counter()))
        return left if left < float("inf") else None


def display(verbose):
    """The display for a level of verbosity: none at 0; else bars on a terminal and lines elsewhere."""
    if not verbose:
        return Silent()
    console = require("rich.console", "the progress bar").Console(stderr=True)
    return Bars(console) if console.is_terminal or console.is_jupyter else Lines(sys.stderr)
