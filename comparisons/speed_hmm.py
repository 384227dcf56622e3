"""How much faster than hmmlearn, deeptime and dynamax is a hidden Markov model fitted on a processor?

Milliseconds of one iteration of expectation-maximisation (E-step, all statistics, M-step) within `HMM.fit`, float64,
and of Viterbi's algorithm within `HMM.decode`, data checks included. A: one sequence of 200,000; B: 5,000 sequences
of 40; C: one sequence of 5 million; D: 50,000 steps of 16 dimensions. All sides start from the same parameters;
log-likelihoods must agree to 1e-10 and updated parameters to 1e-8 (paths: their log-probability to 1e-10) before a
ratio counts. The ratio is to the fastest peer of the row. C is also measured in memory, in a process of its own.
"""

import functools
import math
import pathlib
import subprocess
import sys
import time

import numpy as np
from common import (
    N_THREADS,
    Row,
    finish_speed,
    hold_to_two_processors,
    in_turns,
    print_surroundings,
    relative_difference,
    speed_parser,
    timed,
    wanted,
)
from hmm_problem import N_SYMBOLS, Run, problem_of
from threadpoolctl import threadpool_limits

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Gaussian

LIKELIHOOD_TOLERANCE, PARAMETER_TOLERANCE = 1e-10, 1e-8
# parameters below these are compared as if they were that large: probabilities, and numbers in units of the data
NEGLIGIBLE = {"initial": 1e-6, "transition": 1e-6, "probabilities": 1e-6, "means": 1e-3, "covariances": 1e-3}
TIMING = 0.02  # seconds that one timing takes at least
FAR_BEHIND = 2  # peers that take so many times as long as the fastest are timed once
PEERS = dict.fromkeys(("hmmlearn", "deeptime", "dynamax"), "pip install 'seqmodels[peers]'")
MEBIBYTE = 2**20

# name: family, number of sequences, their length, states, floor, target
EM_ROWS = {
    "A categorical K=4": ("categorical", 1, 200_000, 4, 3, 8),
    "A categorical K=16": ("categorical", 1, 200_000, 16, 8, 25),
    "A categorical K=64": ("categorical", 1, 200_000, 64, 10, 35),
    "A Gaussian diagonal K=4": ("diagonal", 1, 200_000, 4, 6, 20),
    "A Gaussian diagonal K=16": ("diagonal", 1, 200_000, 16, 8, 25),
    "B categorical K=8": ("categorical", 5_000, 40, 8, 10, 35),
    "C categorical K=4": ("categorical", 1, 5_000_000, 4, 8, 20),
    "D Gaussian full K=8": ("full", 1, 50_000, 8, 3, 12),
}
VITERBI_ROWS = {
    "A Viterbi K=4": ("categorical", 1, 200_000, 4, 2, 4),
    "A Viterbi K=16": ("categorical", 1, 200_000, 16, 4, 12),
    "A Viterbi K=64": ("categorical", 1, 200_000, 64, 5, 12),
}
# peak memory beyond the data in MiB, and seconds as a multiple of memory="fast"
MEMORY_ROWS = {"C memory fast": ("fast", 250), "C memory low": ("low", 50)}
LOW_TIME_ROW, LOW_TIME_LIMIT = "C low/fast seconds", 2
SLOW = {("A categorical K=64", "hmmlearn log"), ("C categorical K=4", "hmmlearn log"), ("C categorical K=4", "dynamax")}
QUICK = {  # rows of a quick run, and their peers
    "A categorical K=4": {"hmmlearn scaling", "deeptime"},
    "A Gaussian diagonal K=4": {"hmmlearn scaling"},
    "B categorical K=8": {"hmmlearn scaling", "deeptime"},
    "D Gaussian full K=8": {"hmmlearn scaling", "dynamax"},
    "A Viterbi K=4": {"hmmlearn scaling", "deeptime"},
}


# -------------------------------------------------------------------- ours


class Ours:
    """seqmodels; the data are encoded once, as a `Sequences`."""

    def __init__(self, problem, **options):
        self.problem, self.options = problem, options
        self.family = Categorical() if problem.family == "categorical" else Gaussian(problem.family)
        self.data = as_sequences(problem)

    def em(self, n):
        """Seconds of one of n iterations, after one that is not counted."""
        problem = self.problem
        start = {"initial": problem.initial, "transition": problem.transition, "emission": problem.emission}
        model = HMM(
            problem.n_states, self.family, init=start, max_iter=n + 1, tol=0.0, n_jobs=N_THREADS, **self.options
        ).fit(self.data)  # fmt: skip
        records = model.history_
        if len(records) != n + 2:
            raise RuntimeError(f"EM stopped after {len(records) - 1} of {n + 1} iterations: its objective fell")
        found = [record["train"] * self.data.n_observations for record in records[:-1]]
        parameters = {"initial": model.initial_, "transition": model.transition_, **model.emission_._asdict()}
        seconds = (records[-1]["seconds"] - records[1]["seconds"]) / n
        return Run(seconds, found, parameters)

    def decoder(self):
        """A function that finds the most probable states (M,)."""
        problem = self.problem
        model = HMM.from_parameters(problem.initial, problem.transition, problem.emission, self.family)
        model.set_params(n_jobs=N_THREADS)
        return lambda: np.concatenate(model.decode(self.data))


def as_sequences(problem):
    """The data in the package's own form."""
    if problem.family == "categorical":
        return Sequences.wrap(problem.sequences, alphabet=range(N_SYMBOLS))
    return Sequences.wrap(problem.sequences)


# -------------------------------------------------------------------- one row


def peers_of(name, problem, absent, options):
    """The peers of a row by name: those that are installed and have the family."""
    import hmm_peers  # imports the peers, which takes seconds

    kinds = {
        "hmmlearn scaling": functools.partial(hmm_peers.Hmmlearn, implementation="scaling"),
        "hmmlearn log": functools.partial(hmm_peers.Hmmlearn, implementation="log"),
        "deeptime": hmm_peers.Deeptime,
        "dynamax": hmm_peers.Dynamax,
    }
    peers = {}
    for peer, kind in kinds.items():
        plain = getattr(kind, "func", kind)
        asked = peer in QUICK[name] if options.quick else options.all_peers or (name, peer) not in SLOW
        if asked and plain.package not in absent and plain.takes(problem):
            peers[peer] = kind(problem)
    return peers


def em_difference(ours, theirs):
    """The largest difference, as a multiple of what is tolerated."""
    likelihood = relative_difference(ours.log_likelihoods, theirs.log_likelihoods) / LIKELIHOOD_TOLERANCE
    parameters = max(
        relative_difference(ours.parameters[name], theirs.parameters[name], NEGLIGIBLE[name])
        for name in theirs.parameters
    )
    return max(likelihood, parameters / PARAMETER_TOLERANCE)


def em_row(name, repeats, absent, options):
    """Compare and time iterations of EM."""
    *task, floor, target = EM_ROWS[name]
    problem = problem_of(*task)
    ours, peers = Ours(problem), peers_of(name, problem, absent, options)
    found = ours.em(2)
    differences = {peer: em_difference(found, side.em(2)) for peer, side in peers.items()}
    sides = {side_name: side.em for side_name, side in {"ours": ours, **peers}.items()}
    sides = {side_name: functools.partial(iterations, em) for side_name, em in sides.items()}
    return race(name, sides, differences, repeats, floor, target)


def iterations(em, n):
    """Seconds of one of n iterations."""
    return em(n).seconds


def viterbi_row(name, repeats, absent, options):
    """Compare and time Viterbi's algorithm."""
    *task, floor, target = VITERBI_ROWS[name]
    problem = problem_of(*task)
    decoders = {"ours": Ours(problem).decoder()}
    for peer, side in peers_of(name, problem, absent, options).items():
        if peer != "hmmlearn log":  # it decodes as the other does
            decoders[peer.removesuffix(" scaling")] = side.decoder()
    best = path_log_probability(problem, decoders["ours"]())
    differences = {
        peer: relative_difference(best, path_log_probability(problem, decode())) / LIKELIHOOD_TOLERANCE
        for peer, decode in decoders.items() if peer != "ours"
    }  # fmt: skip
    sides = {peer: functools.partial(calls, decode) for peer, decode in decoders.items()}
    return race(name, sides, differences, repeats, floor, target)


def calls(function, n):
    """Seconds of one of n calls."""
    return timed(lambda: [function() for _ in range(n)])[0] / n


def path_log_probability(problem, states):
    """Log-probability of one sequence of symbols together with its states."""
    first, rest = states[0], np.log(problem.transition[states[:-1], states[1:]]).sum()
    seen = np.log(problem.emission["probabilities"][states, problem.sequences[0]]).sum()
    return np.log(problem.initial[first]) + rest + seen


def race(name, sides, differences, repeats, floor, target):
    """Let ours and the fastest peers take turns.

    Parameters
    ----------
    sides : dict of callables
        Each returns the seconds of one of so many iterations.
    differences : dict
        Of each peer from ours, as a multiple of what is tolerated.
    """
    numbers, trials = {}, {}
    for side_name, side in sides.items():
        trials[side_name] = side(1)
        numbers[side_name] = max(1, math.ceil(TIMING / trials[side_name]))
    equal = [peer for peer, difference in differences.items() if difference <= 1]
    fastest = min((trials[peer] for peer in equal), default=math.inf)
    close = [peer for peer in equal if trials[peer] <= FAR_BEHIND * fastest]
    turns = {side: functools.partial(sides[side], numbers[side]) for side in ["ours", *close]}
    timings, others = in_turns(turns, repeats)
    medians = {peer: np.median(timings[peer]) if peer in timings else trials[peer] for peer in differences}
    print(f"{name}: ours {1000 * np.median(timings['ours']):.3g} ms", end="")
    for peer, difference in differences.items():
        once = "" if peer in timings else ", timed once"
        print(f"; {peer} {1000 * medians[peer]:.3g} ms (difference {difference:.0e} of tolerance{once})", end="")
    print(flush=True)
    best = min(close, key=medians.get, default="")
    # hmmlearn's logarithms are less exact than its probabilities; what is slower as well decides nothing
    agrees = bool(equal) and all(trials[peer] > fastest for peer in differences if peer not in equal)
    return Row(name, timings["ours"], timings.get(best, []), best, floor, target, agrees=agrees, others=others)


# -------------------------------------------------------------------- memory


def memory_rows(repeats, options):
    """Peak memory of both ways, and how much longer the frugal one takes."""
    asked = [name for name in MEMORY_ROWS if wanted(name, options.only)]
    low_time = wanted(LOW_TIME_ROW, options.only)
    if not (asked or low_time):
        return []
    rows = []
    for name in asked:
        how, limit = MEMORY_ROWS[name]
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--peak", how]
        peaks = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3)]
        rows.append(Row(name, peaks, floor=limit, target=limit, unit="MiB", at_most=True))
    if low_time:
        problem = problem_of(*EM_ROWS["C categorical K=4"][:4])
        sides = {how: functools.partial(iterations, Ours(problem, memory=how).em, 1) for how in ("fast", "low")}
        in_turns(sides, 1)  # compiles
        timings, others = in_turns(sides, repeats)
        times = list(np.array(timings["low"]) / np.array(timings["fast"]))
        limits = {"floor": LOW_TIME_LIMIT, "target": LOW_TIME_LIMIT}
        rows.append(Row(LOW_TIME_ROW, times, **limits, unit="times", at_most=True, others=others))
    return rows


def print_peak(how):
    """Print the peak memory in MiB that EM on C takes beyond the process that holds the data."""
    small = problem_of("categorical", 1, 10_000, 4)
    Ours(small, memory=how).em(1)  # compiles
    large = Ours(problem_of(*EM_ROWS["C categorical K=4"][:4]), memory=how)
    large.problem.sequences.clear()  # the data are held once, as a Sequences
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    before = _status("VmRSS")
    large.em(1)
    print((_status("VmHWM") - before) / 1024)


def _status(name):
    """A figure of this process in kB, as Linux knows it."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


# -------------------------------------------------------------------- all rows


def main():
    options = speed_parser(__doc__.splitlines()[0], repeats=7)
    options.add_argument("--all-peers", action="store_true", help="also peers that take minutes in a row")
    options.add_argument("--peak", choices=["fast", "low"], help="print the peak memory of C in MiB, and nothing else")
    options = options.parse_args()
    hold_to_two_processors()
    if options.peak:
        return print_peak(options.peak)
    repeats = options.repeats or (3 if options.quick else 7)
    began = time.perf_counter()
    absent = print_surroundings(
        PEERS,
        f"{N_SYMBOLS} symbols; Gaussians of 2 (diagonal) and 16 dimensions (full); float64; both sides in turn, "
        f"{repeats} timings each, medians;",
        f"ratio: to the fastest peer; those that take {FAR_BEHIND} times as long as it are timed once;",
        "min..max: of the ratios of timings that followed each other",
        *(f"left out without --all-peers: {peer} in {name}" for name, peer in sorted(SLOW) if not options.all_peers),
    )
    rows = []
    with threadpool_limits(N_THREADS):
        for table, measure in ((EM_ROWS, em_row), (VITERBI_ROWS, viterbi_row)):
            for name in table:
                if wanted(name, options.only) and (name in QUICK or not options.quick):
                    rows.append(measure(name, repeats, absent, options))
        rows += [] if options.quick else memory_rows(repeats, options)
    print(f"{time.perf_counter() - began:.0f} seconds")
    finish_speed(rows, options, absent)


if __name__ == "__main__":
    main()
