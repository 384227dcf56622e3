"""What the scripts share: where data are, how a protocol is printed, how a stated figure is checked."""

import argparse
import os
import pathlib
import platform
import sys

import numba
import numpy
import scipy

import seqmodels

MISSED, NOT_MEASURED = 1, 2


def parser(question):
    """Options that every script has."""
    options = argparse.ArgumentParser(description=question)
    options.add_argument(
        "--check", action="store_true", help="exit 1 if a stated figure is missed, 2 if it cannot be measured"
    )
    options.add_argument("--quick", action="store_true", help="a smaller run of the same protocol, within a minute")
    return options


def data_folder(name):
    """A folder of real data below SEQMODELS_DATA; leaves with exit status 2 where it is absent."""
    folder = pathlib.Path(os.environ.get("SEQMODELS_DATA", "")) / name
    if "SEQMODELS_DATA" not in os.environ or not folder.is_dir():
        print(f"cannot be measured: set SEQMODELS_DATA to a folder that holds {name}", file=sys.stderr)
        sys.exit(NOT_MEASURED)
    return folder


def print_protocol(*lines):
    """What a reader needs to repeat the run."""
    print(
        f"seqmodels {seqmodels.__version__}, Python {platform.python_version()}, numpy {numpy.__version__}, "
        f"scipy {scipy.__version__}, numba {numba.__version__}, {os.cpu_count()} processors"
    )
    print(*lines, sep="\n", end="\n\n")


def print_table(head, rows):
    """A table with its columns aligned, numbers to the right."""
    cells = [head, *([cell if isinstance(cell, str) else f"{cell:.4f}" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        print("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]))


def finish(figures, check):
    """Say which stated figures hold, and leave.

    Parameters
    ----------
    figures : list of (name, found, bool)
        What was stated, what was measured, and whether that will do.
    check : bool
        Whether a miss is an error.
    """
    print()
    for name, found, holds in figures:
        print(f"{'holds ' if holds else 'MISSED'}  {name}: {found:.4f}")
    sys.exit(MISSED if check and not all(holds for *_, holds in figures) else 0)
