"""The command ``seqmodels``."""

import argparse
import pathlib
import sys
import warnings

__all__ = ["main"]

BUDGET = 75  # seconds, so that the whole command stays below 90
MODELS = ("HMM", "Elman", "GRU", "LSTM")
EMISSIONS = {
    name.lower(): name
    for name in (
        "Bernoulli", "Beta", "Categorical", "Exponential", "Gamma", "Gaussian", "Geometric", "Laplace", "LogNormal",
        "Multinomial", "NegativeBinomial", "Poisson", "StudentT", "VonMises",
    )
}  # fmt: skip


def main(arguments=None):
    """Run the command and return its exit status: 0, 2 for data that cannot be taken, 130 for Control-C."""
    options = _parser().parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # terminals that know no plus-minus sign
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            options.run(options)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"seqmodels: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seqmodels: interrupted before any model was done", file=sys.stderr)
        return 130
    return 0


def _warn(message, category, filename, lineno, file=None, line=None):
    print(f"seqmodels: {message}", file=sys.stderr)


# -------------------------------------------------------------------- arguments


def _parser():
    from . import __version__

    parser = argparse.ArgumentParser(prog="seqmodels", description="Hidden Markov models and recurrent networks.")
    parser.add_argument("--version", action="version", version=f"seqmodels {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="fit HMMs and networks to the same sequences and say which is better",
        description="Fit baselines, HMMs and networks to the same sequences; judge them on held-out ones.",
    )
    compare.set_defaults(run=_compare)
    compare.add_argument(
        "data", nargs="?", default="prose", metavar="DATA",
        help="a data set (see: seqmodels datasets), a .txt file (a sequence a line) or a .csv file "
        "(a long table); prose by default",
    )  # fmt: skip
    compare.add_argument(
        "--models",
        type=_models,
        default=MODELS,
        metavar="A,B",
        help=f"some of {','.join(MODELS)} (default: all)",
    )
    compare.add_argument(
        "--emission", type=_emission, metavar="NAME",
        help=f"family of the observations: {', '.join(EMISSIONS)} (default: chosen by the data)",
    )  # fmt: skip
    compare.add_argument(
        "--budget", type=_budget, default=BUDGET, metavar="SECONDS",
        help=f"time that all models share (default: {BUDGET}); none trains to convergence",
    )  # fmt: skip
    compare.add_argument("--report", type=pathlib.Path, metavar="FILE", help="also write one HTML page")
    compare.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the split and of training (default: 0)"
    )
    compare.add_argument(
        "--tokens",
        choices=("chars", "words"),
        default="chars",
        help="symbols of a .txt file (default: chars)",
    )
    compare.add_argument("--id", metavar="COLUMN", help="column of a .csv file that names the sequence of a row")
    compare.add_argument(
        "--columns",
        type=_names,
        metavar="A,B",
        help="columns of a .csv file that hold observations (default: all others)",
    )
    datasets = commands.add_parser("datasets", help="list the data sets that need no download")
    datasets.set_defaults(run=_datasets)
    return parser


def _names(text):
    return [name.strip() for name in text.split(",")]


def _models(text):
    known = {name.lower(): name for name in MODELS}
    unknown = [name for name in _names(text) if name.lower() not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not among {', '.join(MODELS)}")
    return [known[name.lower()] for name in _names(text)]


def _emission(text):
    if text.lower() not in EMISSIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not among {', '.join(EMISSIONS)}")
    return EMISSIONS[text.lower()]


def _budget(text):
    if text.lower() == "none":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds, or none")
    return seconds


# -------------------------------------------------------------------- commands


def _compare(options):
    from . import emissions
    from .comparison import compare, default_models

    if options.report is not None and not options.report.absolute().parent.is_dir():
        raise ValueError(f"--report: there is no folder {options.report.parent}")
    data = _data(options)
    emission = getattr(emissions, options.emission)() if options.emission else None
    models = default_models(data, emission)
    comparison = compare(
        {name: models[name] for name in options.models},
        data,
        budget=options.budget,
        random_state=options.seed,
    )
    print(comparison)
    if options.report is not None:
        comparison.report(options.report)
        print(f"Report: {options.report}", file=sys.stderr)


def _data(options):
    from . import datasets

    if options.data in datasets.names():
        for option in ("id", "columns"):
            if getattr(options, option) is not None:
                raise ValueError(f"--{option} is for .csv files; {options.data} is a data set with a name")
        return datasets.load(options.data)
    if not pathlib.Path(options.data).is_file():
        raise ValueError(
            f"there is no data set and no file {options.data!r}; {', '.join(datasets.names())}, or a .txt or "
            ".csv file, are accepted"
        )
    return datasets.read(options.data, tokens=options.tokens, id=options.id, columns=options.columns)


def _datasets(options):
    from . import datasets
    from .comparison.words import counted

    for name in datasets.names():
        data = datasets.load(name)
        print(f"{name}: {data.title}.\n    {data.description}")
        sizes = (
            counted(len(data.sequences), "sequence"),
            counted(data.sequences.n_observations, "observation"),
        )
        print(f"    {', '.join(sizes)}; {data.emission!r}")
