"""How does the time of fitting grow with the size of the data and of the model?

Milliseconds of one iteration of EM (categorical, 32 symbols) against the length of one sequence, the number of
states and the number of sequences, and of one update of an LSTM (64 symbols) against units, sequences in a batch and
steps. The slope is that of the logarithm of the time against the logarithm of the size, fitted to the sizes that
follow the smallest one at which the work, not the call, takes the time: 1 is proportional, 2 quadratic.
"""

import math
import pathlib

import hmm_problem
import numpy as np
import speed_hmm
import speed_rnn
from common import N_THREADS, hold_to_two_processors, print_protocol, print_table, processor, speed_parser, wanted

MEASURE = {"EM": "ms an iteration of EM", "LSTM": "ms an update of an LSTM"}

# name: what is varied, its values, the smallest that the slope is fitted to, and what is held fixed
SWEEPS = {
    "EM steps": ("T", (10**3, 10**4, 10**5, 10**6, 10**7), 10**5, {"K": 4, "N": 1}),
    "EM states": ("K", (2, 4, 8, 16, 32, 64, 128, 256), 32, {"T": 20_000, "N": 1}),
    "EM sequences": ("N", (10, 100, 1_000, 10_000, 50_000), 1_000, {"T": 40, "K": 4}),
    "LSTM units": ("H", (16, 32, 64, 128, 256, 512), 128, {"B": 16, "T": 50}),
    "LSTM batch": ("B", (1, 4, 16, 64, 256), 16, {"H": 64, "T": 50}),
    "LSTM steps": ("T", (10, 30, 100, 300, 1_000), 30, {"H": 64, "B": 16}),
}


def em_seconds(K, T, N, repeats):
    """Seconds of one iteration of EM."""
    ours = speed_hmm.Ours(hmm_problem.problem_of("categorical", N, T, K))
    trial = ours.em(1).seconds
    n = min(10, max(1, math.ceil(speed_hmm.TIMING / trial)))
    return [ours.em(n).seconds for _ in range(repeats)]


def lstm_seconds(H, B, T, repeats):
    """Seconds of one update."""
    side = speed_rnn.long_enough(lambda n: speed_rnn.training_side(speed_rnn.LSTM(H), B, T, n))
    return [side() for _ in range(repeats)]


def slope_of(sizes, medians, smallest):
    """Exponent of the power of the size that the time grows with."""
    sizes, medians = np.array(sizes, dtype=float), np.array(medians)
    fitted = sizes >= smallest
    return float(np.polyfit(np.log(sizes[fitted]), np.log(medians[fitted]), 1)[0])


def plot(name, sizes, timings, slope, smallest, folder):
    """Draw one sweep to a file of its own."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "seqmodels"  # the same picture is the same file
    matplotlib.rcParams["svg.fonttype"] = "none"  # letters, not outlines: a third of the size
    from matplotlib import pyplot

    varied, _, _, fixed = SWEEPS[name]
    figure, axes = pyplot.subplots(figsize=(4.2, 3.2), layout="constrained")
    medians = 1000 * np.median(timings, axis=1)
    axes.fill_between(sizes, 1000 * np.min(timings, axis=1), 1000 * np.max(timings, axis=1), alpha=0.2, linewidth=0)
    axes.loglog(sizes, medians, "o-")
    fitted = np.array([size for size in sizes if size >= smallest], dtype=float)
    line = np.exp(np.mean(np.log(medians[-len(fitted) :])) + slope * (np.log(fitted) - np.log(fitted).mean()))
    axes.loglog(fitted, line, "k--", linewidth=1, label=f"slope {slope:.2f}")
    axes.set_xlabel(f"{varied} ({', '.join(f'{key}={value:,}' for key, value in fixed.items())})")
    axes.set_ylabel(MEASURE[name.split()[0]])
    axes.legend(frameon=False)
    path = folder / f"scaling_{name.lower().replace(' ', '_')}.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    print(f"wrote {path.name}")


def main():
    options = speed_parser(__doc__.splitlines()[0], repeats=5)
    options.add_argument("--plots", type=pathlib.Path, metavar="FOLDER", help="also draw each to FOLDER")
    options = options.parse_args()
    repeats = options.repeats or (2 if options.quick else 5)
    hold_to_two_processors()
    print_protocol(
        f"{processor()}; {N_THREADS} threads",
        f"medians of {repeats} timings" + ("; a quick run leaves out the two largest sizes" if options.quick else ""),
    )
    rows, slopes = [], []
    for name, (varied, sizes, smallest, fixed) in SWEEPS.items():
        if not wanted(name, options.only):
            continue
        if options.quick:
            sizes, smallest = sizes[:-2], sizes[0]
        seconds = em_seconds if name.startswith("EM") else lstm_seconds
        timings = [seconds(**fixed, **{varied: size}, repeats=repeats) for size in sizes]
        slope = slope_of(sizes, np.median(timings, axis=1), smallest)
        for size, found in zip(sizes, timings, strict=True):
            found = 1000 * np.array(found)
            cells = [f"{number:.3g}" for number in (np.median(found), found.min(), found.max())]
            rows.append([name, f"{varied}={size}", *cells])
        slopes.append([name, f"from {varied}={smallest}", f"{slope:.2f}"])
        if options.plots:
            plot(name, sizes, timings, slope, smallest, options.plots)
    print_table(["", "size", "ms", "min", "max"], rows)
    print()
    print_table(["", "fitted", "slope"], slopes)


if __name__ == "__main__":
    main()
