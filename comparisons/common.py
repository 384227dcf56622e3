"""What the scripts share: where data are, how a protocol is printed, how a stated figure is checked.

Those that measure speed find here how two sides take turns, what a row of their table holds, and what an exit
status means.
"""

import argparse
import importlib.metadata
import os
import pathlib
import platform
import sys
import time
from dataclasses import dataclass

import numba
import numpy
import scipy
import sklearn
from llvmlite import binding

import seqmodels

MISSED, NOT_MEASURED = 1, 2
N_THREADS = 2  # on both sides
REST = 0.02  # seconds between two sides, in which threads of the one that still wait for work go to sleep
DISTURBED = 0.25  # share of the processors used by others, above which a row says nothing


def parser(question, parts=()):
    """Options that every script has; `parts` of it can be run by themselves."""
    options = argparse.ArgumentParser(description=question)
    options.add_argument(
        "--check", action="store_true", help="exit 1 if a stated figure is missed, 2 if it cannot be measured"
    )
    options.add_argument("--quick", action="store_true", help="a smaller run of the same protocol, within a minute")
    if parts:
        options.add_argument("--only", nargs="+", choices=parts, default=parts, help="only these parts")
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


# -------------------------------------------------------------------- speed: options, surroundings


def speed_parser(question, repeats):
    """Options of the scripts that measure speed."""
    options = parser(question)
    options.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="only rows whose name has all of these words"
    )
    options.add_argument("--repeats", type=int, help=f"timings of each side in each row (default {repeats}, quick 3)")
    return options


def wanted(name, words):
    """Whether a row's name has all the words that were asked for."""
    return set(words) <= set(name.split())


def version(package):
    """The version of an installed package, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def hold_to_two_processors():
    """Where the system allows it: libraries that count processors then start two threads.

    To be called before the libraries start their threads.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:N_THREADS])


def processor():
    """The processor's name as the system and as the compiler know it."""
    name = platform.processor() or platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return f"{name} ({binding.get_host_cpu_name()}), {'with' if has_avx512() else 'without'} AVX-512"


def has_avx512():
    """Whether this is a processor on which floors are judged."""
    return bool(binding.get_host_cpu_features().get("avx512f", False))


def print_surroundings(peers, *lines):
    """Versions, processor, threads; returns the peers that are absent.

    Parameters
    ----------
    peers : dict
        How to install each peer, by the name of its package.
    """
    versions = {name: version(name) for name in peers}
    found = ", ".join(f"{name} {number}" for name, number in versions.items() if number) or "none"
    print_protocol(
        f"scikit-learn {sklearn.__version__}; peers: {found}",
        f"{processor()}; {N_THREADS} threads on both sides",
        *(f"skipped: {name} is absent ({peers[name]})" for name, number in versions.items() if not number),
        *lines,
    )
    return [name for name, number in versions.items() if not number]


# -------------------------------------------------------------------- speed: both sides in turn


def in_turns(sides, repeats, apart=None):
    """Timings of each side, which take turns.

    Parameters
    ----------
    sides : dict of callables
        Each returns the seconds of one timing.
    repeats : int
    apart : Apart, optional
        A side in a process of its own.

    Returns
    -------
    timings : dict of lists of `repeats` seconds
    others : float
        Share of the processors that other processes used meanwhile. Libraries whose threads wait for each other
        by spinning can take a thousand times as long beside a busy process.
    """
    timings = {name: [] for name in sides}
    began, busy, own = time.perf_counter(), _busy_seconds(), _own_seconds(apart)
    for _ in range(repeats):
        for name, side in sides.items():
            time.sleep(REST)
            timings[name].append(side())
    others = _busy_seconds() - busy - (_own_seconds(apart) - own)
    return timings, max(0.0, others / (time.perf_counter() - began) / N_THREADS)


def _own_seconds(apart):
    """Seconds that the processors have worked for the sides."""
    return time.process_time() + (0.0 if apart is None else apart.cpu_seconds())


def _busy_seconds():
    """Seconds that the processors of this process have worked, for whomever; 0 where the system does not tell."""
    path = pathlib.Path("/proc/stat")
    if not (path.exists() and hasattr(os, "sched_getaffinity")):
        return 0.0
    ticks, ours = 0, {f"cpu{number}" for number in os.sched_getaffinity(0)}
    for line in path.read_text().splitlines():
        name, *fields = line.split()
        if name in ours:
            user, nice, system, _, _, *interrupts = map(int, fields[:8])  # the last is stolen time
            ticks += user + nice + system + sum(interrupts)
    return ticks / os.sysconf("SC_CLK_TCK")


def timed(function, *arguments):
    """Seconds of one call, and what it returns."""
    began = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - began, result


def relative_difference(ours, theirs, negligible=0.0):
    """The largest relative difference between two arrays; entries below `negligible` count as that large."""
    ours, theirs = numpy.asarray(ours, dtype=float), numpy.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape:
        return numpy.inf
    size = numpy.maximum(numpy.maximum(abs(ours), abs(theirs)), max(negligible, numpy.finfo(float).tiny))
    largest = float(numpy.max(abs(ours - theirs) / size, initial=0.0))
    return largest if numpy.isfinite(largest) else numpy.inf


# -------------------------------------------------------------------- speed: the table


@dataclass
class Row:
    """One line of a table of speed: how many times faster than the peer, or (`at_most`) how much of something."""

    name: str
    ours: list  # timings in seconds, or amounts of `unit`
    peer: list = ()  # timings in seconds; empty where there is no peer, or it is absent
    peer_name: str = ""
    floor: float | None = None
    target: float | None = None
    unit: str = "ms"
    at_most: bool = False
    agrees: bool = True  # whether both sides found the same numbers
    others: float = 0.0  # share of the processors that other processes used meanwhile

    @property
    def ratios(self):
        """Ratios of timings that followed each other."""
        return numpy.array(self.peer) / numpy.array(self.ours)

    @property
    def value(self):
        """What is judged: the ratio of medians, or the median of ours."""
        ours = float(numpy.median(self.ours))
        return ours if self.at_most else float(numpy.median(self.peer)) / ours

    @property
    def measured(self):
        """Whether there is something to judge."""
        return bool(self.ours) and self.agrees and self.others <= DISTURBED and (self.at_most or bool(self.peer))

    def reaches(self, limit):
        """Whether the value is on the right side of a limit."""
        return self.value <= limit if self.at_most else self.value >= limit

    def verdict(self, judged):
        """In a word, what the row says."""
        if not self.agrees:
            return "DIFFERS"
        if self.others > DISTURBED:
            return f"disturbed ({self.others:.0%})"
        if not self.measured:
            return "not measured"
        if self.floor is None:
            return ""
        if not judged:
            return "not judged"
        if not self.reaches(self.floor):
            return "BELOW FLOOR" if not self.at_most else "ABOVE LIMIT"
        return "reached" if self.target is None or self.reaches(self.target) else "below target"

    def cells(self, judged):
        """The row as text."""
        scale = 1000 if self.unit == "ms" else 1
        ours = f"{_short(scale * numpy.median(self.ours))} {self.unit}" if self.ours else ""
        peer = f"{_short(scale * numpy.median(self.peer))} {self.unit}" if self.peer else ""
        ratio = spread = ""
        if self.measured and self.peer:
            ratio = _short(numpy.median(self.peer) / numpy.median(self.ours))
            spread = f"{_short(self.ratios.min())}..{_short(self.ratios.max())}"
        elif self.measured:
            spread = f"{_short(scale * min(self.ours))}..{_short(scale * max(self.ours))}"
        limits = ["" if limit is None else f"{'<= ' if self.at_most else ''}{limit:g}" for limit in self._limits]
        return [self.name, ours, peer, self.peer_name, ratio, spread, *limits, self.verdict(judged)]

    @property
    def _limits(self):
        return self.floor, self.target


def _short(number):
    """Three digits."""
    return f"{number:.3g}" if number < 1000 else f"{number:.0f}"


def print_speed(rows, judged):
    """The table that a script of speed ends with."""
    head = ["", "ours", "peer", "", "ratio", "min..max", "floor", "target", ""]
    print()
    print_table(head, [row.cells(judged) for row in rows])


def exit_status(rows, judged, absent):
    """0, MISSED or NOT_MEASURED.

    Parameters
    ----------
    rows : list of Row
    judged : bool
        Whether floors count: not in a quick run.
    absent : list of str
        Peers that are not installed.
    """
    if not all(row.agrees for row in rows):
        return NOT_MEASURED
    if judged and not has_avx512():
        return NOT_MEASURED
    if judged and any(row.measured and row.floor is not None and not row.reaches(row.floor) for row in rows):
        return MISSED
    return NOT_MEASURED if absent or not all(row.measured for row in rows) else 0


def finish_speed(rows, options, absent):
    """Print the table, say what it amounts to, and leave."""
    judged = not options.quick
    print_speed(rows, judged)
    status = exit_status(rows, judged, absent)
    print()
    if judged and not has_avx512():
        print("floors are stated for processors with AVX-512; this one has none")
    if judged:
        verdicts = [row.verdict(judged) for row in rows if row.verdict(judged)]
        print("; ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts))))
    else:
        print("a quick run: floors are not judged")
    sys.exit(status if options.check else 0)
