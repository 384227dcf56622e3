"""How a comparison is shown: as text, and as one self-contained HTML page."""

import html
import os
import platform
from importlib import metadata

import numpy as np

from . import drawings
from .words import capitalised

__all__ = ["fragment", "page", "text"]

HEADINGS = ("model", "parameters", "seconds", "train", "held out", "train", "held out", "to the best", "")
GROUPS = ((3, ""), (2, "nats per observation"), (2, "bits per observation"), (2, ""))
LONGEST_SAMPLE = 240  # observations
SHORT = 16  # sequences of so few steps are drawn from top to bottom, like pages, and more of them

# -------------------------------------------------------------------- text


def text(comparison):
    """Data, table and verdict as plain text."""
    lines = [HEADINGS, *map(cells, comparison.table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    groups, first = [], 0
    for size, title in GROUPS:
        groups.append(title.center(sum(widths[first : first + size]) + 2 * (size - 1)))
        first += size
    left = {0, len(HEADINGS) - 1}
    table = ["  ".join(groups)] + [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    parts = [
        comparison.data,
        f"{capitalised(comparison.split.protocol)}.",
        "\n".join(line.rstrip() for line in table),
        *comparison.notes,
        *comparison.verdict,
    ]
    return "\n\n".join(parts)


def cells(row):
    """The cells of one row as text, under `HEADINGS`."""
    return (
        row.label,
        f"{row.parameters:,}",
        f"{row.seconds:.1f}",
        _figure(row.train),
        _figure(row.held_out, row.standard_error),
        _figure(row.train_bits),
        _figure(row.held_out_bits, row.standard_error_bits),
        "best"
        if row.difference == 0 and row.difference_error is None
        else _figure(row.difference, row.difference_error),
        row.status,
    )


def _figure(value, error=None):
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if error is None else f" ± {error:.3f}")


# -------------------------------------------------------------------- HTML


def fragment(comparison):
    """Table and verdict as HTML, for notebooks."""
    groups = "".join(f'<th colspan="{size}">{title}</th>' for size, title in GROUPS)
    headings = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells(row))}</tr>" for row in comparison.table
    )
    sentences = "".join(f"<p>{html.escape(line)}</p>" for line in [*comparison.verdict, *comparison.notes])
    return f"<table><thead><tr>{groups}</tr><tr>{headings}</tr></thead><tbody>{rows}</tbody></table>{sentences}"


def page(comparison):
    """The whole comparison as one HTML document, which loads nothing."""
    title, *about = comparison.data.split("\n")
    sections = {
        "": "".join(f"<p>{html.escape(line)}</p>" for line in about) + fragment(comparison),
        "Learning curves": _learning_curves(comparison),
        "Samples": _samples(comparison),
        "How this was done": "".join(f"<p>{html.escape(line)}</p>" for line in _circumstances(comparison)),
    }
    body = "".join((f"<h2>{heading}</h2>" if heading else "") + content for heading, content in sections.items())
    return PAGE.replace("TITLE", html.escape(title)).replace("BODY", body)


def _learning_curves(comparison):
    lines, levels = {}, {}
    for row, (seconds, scores) in zip(comparison.table, comparison.learning_curves().values(), strict=True):
        if len(seconds) > 1:
            lines[row.label] = seconds, scores
        else:
            levels[row.label] = row.validation
    return drawings.curves(lines, levels, "seconds", "validation, nats per observation")


def _circumstances(comparison):
    packages = ("seqmodels", "numpy", "numba", "scikit-learn", "scipy")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    budget = "no limit of time" if comparison.budget is None else f"a budget of {comparison.budget:g} s"
    return [
        f"Protocol: {comparison.split.protocol}. Candidates under one name, EM iterates and epochs are "
        "chosen by their validation scores; held-out data serve the figures only.",
        "Figures are mean log-likelihoods of an observation given those before it; higher is better. "
        "Standard errors are those of the ratio estimator over units; differences are paired unit by unit. "
        "The seconds of a model are those of all candidates under its name, compilation included.",
        f"Seed {comparison.seed}; {budget}; {comparison.seconds:.0f} s in all.",
        f"{versions}; Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} logical processors.",
    ]


# -------------------------------------------------------------------- samples


def _samples(comparison):
    """Held-out data, then what each model makes up, drawn alike."""
    test = comparison.split.test
    length = int(min(LONGEST_SAMPLE, np.median(test.lengths)))
    count = 10 if test.alphabet is None and length <= SHORT and test.n_features > 1 else 3
    blocks = {"The data": [test[n][:length] for n in range(min(count, len(test)))]}
    context = {} if test.context is None else {"context": test.context[np.arange(count) % len(test)]}
    for row in comparison.table:
        model = comparison.models[row.model]
        blocks[row.label] = model.sample(count, length, random_state=comparison.seed, **context)
    draw = _writer() if test.alphabet is not None else _drawer(test)
    return "".join(
        f'<h3>{html.escape(label)}</h3><div class="samples">{"".join(map(draw, samples))}</div>'
        for label, samples in blocks.items()
    )


def _writer():
    def write(sample):
        words = sample if isinstance(sample, str) else " ".join("?" if s is None else str(s) for s in np.ravel(sample))
        return f"<pre>{html.escape(words)}</pre>"

    return write


def _drawer(test):
    low, high = float(np.nanmin(test.values)), float(np.nanmax(test.values))

    def draw(sample):
        values = np.asarray(sample, dtype=float)
        if values.ndim == 1 or values.shape[1] == 1:
            return drawings.series(values.ravel(), low, high)
        return drawings.matrix(values if len(values) <= SHORT else values.T, low, high)

    return draw


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin-bottom: 0.3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: 0.25rem 0.7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td:last-child { text-align: left; }
thead tr:last-child th { border-bottom: 1px solid; }
thead tr:first-child th { text-align: center; }
svg { width: 100%; max-width: 45rem; display: block; font-size: 12px; }
svg text { fill: currentColor; }
svg .grid { stroke: currentColor; opacity: 0.15; }
img { image-rendering: pixelated; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; }
.legend li { border-left: 1.2rem solid; padding-left: 0.5rem; line-height: 1; }
.samples { display: flex; flex-wrap: wrap; gap: 0.6rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; width: 100%; opacity: 0.85; }
</style>
</head>
<body>
<h1>TITLE</h1>
BODY
</body>
</html>
"""
