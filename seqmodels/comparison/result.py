"""What comes out of a comparison."""

import pathlib
from dataclasses import dataclass, field

import numpy as np

from . import report as reporting
from .holdout import Split, difference
from .progress import require
from .words import verdict

__all__ = ["Comparison", "Row"]


@dataclass(frozen=True)
class Row:
    """One line of the table. Figures are in nats per observation, higher is better.

    Parameters
    ----------
    model : str
        The name under which the model was given.
    note : str
        Which of the candidates under that name it is.
    kind : {"HMM", "network", "baseline", "model"}
    parameters : int
    seconds : float
        Spent on fitting all candidates under the name, compilation included.
    train, validation, held_out : float
        Scores on the three parts of the data.
    standard_error : float or None
        Of `held_out`; None where it is minus infinity or there is only one unit.
    difference : float or None
        `held_out` minus that of the best row; 0 for the best row itself, None where both are minus infinity.
    difference_error : float or None
        Its standard error, paired unit by unit.
    status : str
        "still improving" where the budget cut training off, and the like; empty otherwise.
    """

    model: str
    note: str
    kind: str
    parameters: int
    seconds: float
    train: float
    validation: float
    held_out: float
    standard_error: float | None
    difference: float | None = None
    difference_error: float | None = None
    status: str = ""

    @property
    def label(self):
        """Name and note."""
        return f"{self.model}, {self.note}" if self.note else self.model

    @property
    def train_bits(self):
        """`train` in bits per observation."""
        return self.train / np.log(2)

    @property
    def held_out_bits(self):
        """`held_out` in bits per observation."""
        return self.held_out / np.log(2)

    @property
    def standard_error_bits(self):
        """`standard_error` in bits per observation."""
        return None if self.standard_error is None else self.standard_error / np.log(2)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out of :func:`compare`. ``print`` it, or let a notebook show it.

    Parameters
    ----------
    table : list of Row
        In the order in which the models were fitted.
    models : dict of str to model
        The fitted models, by the names in the table.
    split : Split
        The sequences that they were fitted to, chosen by and judged on.
    sums : dict of str to array
        Held-out log-likelihoods of each unit of the split.
    data : str
        What the data are.
    notes : list of str
        What was left out, and why.
    seed : int
    budget : float or None
        In seconds.
    seconds : float
        From beginning to end.
    """

    table: list
    models: dict = field(repr=False)
    split: Split = field(repr=False)
    sums: dict = field(repr=False)
    data: str
    notes: list
    seed: int
    budget: float | None
    seconds: float

    def difference(self, model, other):
        """How much better one model is than another, by their names, in nats per held-out observation.

        Returns
        -------
        Estimate
            With `value`, `standard_error` (paired unit by unit) and `interval()`.
        """
        for name in (model, other):
            if name not in self.sums:
                raise ValueError(f"no model is called {name!r}; {', '.join(map(repr, self.sums))} are")
        return difference(self.sums[model], self.sums[other], self.split.counts)

    @property
    def verdict(self):
        """Sentences that say which is better, a list of str."""
        return verdict(self)

    def __str__(self):
        return reporting.text(self)

    def _repr_html_(self):
        return reporting.fragment(self)

    def report(self, path):
        """Write one self-contained HTML page: table, verdict, learning curves, samples of every model."""
        pathlib.Path(path).write_text(reporting.page(self), encoding="utf-8")

    def plot(self):
        """Learning curves beside held-out figures, as a matplotlib figure."""
        pyplot = require("matplotlib.pyplot", "plot")
        figure, (curves, bars) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
        for row, (seconds, scores) in zip(self.table, self.learning_curves().values(), strict=True):
            if len(seconds) > 1:
                curves.plot(seconds, scores, label=row.label)
            elif np.isfinite(row.validation):
                curves.axhline(row.validation, linestyle="--", linewidth=1, color="grey")
                curves.annotate(row.label, (0, row.validation), fontsize="small", color="grey")
        curves.set(xlabel="seconds", ylabel="validation, nats per observation")
        if curves.get_legend_handles_labels()[0]:
            curves.legend()
        rows = [row for row in reversed(self.table) if np.isfinite(row.held_out)]
        errors = [row.standard_error or 0.0 for row in rows]
        bars.errorbar([row.held_out for row in rows], range(len(rows)), xerr=errors, fmt="o", capsize=3)
        bars.set_yticks(range(len(rows)), [row.label for row in rows])
        bars.set(xlabel="held out, nats per observation ± standard error")
        return figure

    def learning_curves(self):
        """Seconds and validation scores over training, pairs of arrays by name; empty for baselines."""
        curves = {}
        for name, model in self.models.items():
            history = [r for r in getattr(model, "history_", []) if r.get("validation") is not None]
            curves[name] = (
                np.array([r["seconds"] for r in history]),
                np.array([r["validation"] for r in history]),
            )
        return curves
