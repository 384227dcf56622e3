"""Real sequences that need no download, each with the family that fits them; and the user's files."""

import csv
import pathlib
import platform
import re
import zlib
from dataclasses import dataclass

import numpy as np

from .emissions import Categorical, Emission, Gaussian, Poisson
from .sequences import Sequences

__all__ = ["Dataset", "load", "names", "read"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Sequences with a name, and what is known about them.

    Parameters
    ----------
    name : str
    title : str
        One line that says what the observations are.
    description : str
        Where they come from, and which version they are.
    sequences : Sequences
    emission : Emission, optional
        The family that fits the observations; None leaves the choice to the data.
    """

    name: str
    title: str
    description: str
    sequences: Sequences
    emission: Emission | None = None


def names():
    """Names that :func:`load` takes, a list of str."""
    return list(LOADERS)


def load(name):
    """Load a data set that comes with the package or with what it is installed on.

    Parameters
    ----------
    name : {"prose", "earthquakes", "nile", "digits"}

    Returns
    -------
    Dataset
    """
    if name not in LOADERS:
        raise ValueError(f"name is {name!r}; {', '.join(map(repr, LOADERS))} are accepted")
    return LOADERS[name]()


# -------------------------------------------------------------------- prose

SHORTEST_PARAGRAPH = 60  # characters; what is shorter is mostly headings and list entries


def _prose():
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ValueError(
            "the data set 'prose' is read from the standard library's pydoc_data.topics, which this Python "
            "lacks (some systems package it apart from the interpreter); name another data set or a file"
        ) from error
    paragraphs = prose_paragraphs(topics)
    text = "\n".join(paragraphs)
    description = (
        f"The language reference that pydoc prints (pydoc_data.topics), Python {platform.python_version()}: "
        f"{len(paragraphs):,} paragraphs, {sum(map(len, paragraphs)):,} characters, "
        f"CRC32 {zlib.crc32(text.encode()):08x}. It differs between Python versions."
    )
    return Dataset(
        "prose",
        "English prose about Python, as characters; one paragraph a sequence",
        description,
        Sequences.wrap(paragraphs),
        Categorical(pseudo_count=0.5),
    )


def prose_paragraphs(topics):
    """The paragraphs of prose in pages of documentation.

    A block between blank lines, its lines joined, counts as prose if it has 60 characters, begins with a
    capital letter, ends with a full stop, and is neither grammar (``::=``) nor a dialogue with the
    interpreter (``>>>``). That leaves out headings, code and tables. The pages share sections: a paragraph
    that comes again is left out too, so that none can be in training and test data at once.

    Parameters
    ----------
    topics : dict of str to str
        Pages by name.

    Returns
    -------
    list of str
        In the order of the names.
    """
    paragraphs = {}
    for _, page in sorted(topics.items()):
        for block in re.split(r"\n\s*\n", page):
            text = " ".join(block.split())
            if (
                len(text) >= SHORTEST_PARAGRAPH
                and text[0].isupper()
                and text.endswith(".")
                and "::=" not in text
                and ">>>" not in text
            ):
                paragraphs[text] = None
    return list(paragraphs)


# -------------------------------------------------------------------- single series

# fmt: off
EARTHQUAKES = (  # 1900-2006
    13, 14, 8, 10, 16, 26, 32, 27, 18, 32, 36, 24, 22, 23, 22, 18, 25, 21, 21, 14, 8, 11, 14, 23,
    18, 17, 19, 20, 22, 19, 13, 26, 13, 14, 22, 24, 21, 22, 26, 21, 23, 24, 27, 41, 31, 27, 35, 26,
    28, 36, 39, 21, 17, 22, 17, 19, 15, 34, 10, 15, 22, 18, 15, 20, 15, 22, 19, 16, 30, 27, 29, 23,
    20, 16, 21, 21, 25, 16, 18, 15, 18, 14, 10, 15, 8, 15, 6, 11, 8, 7, 18, 16, 13, 12, 13, 20, 15,
    16, 12, 18, 15, 16, 13, 15, 16, 11, 11,
)
NILE = (  # 1871-1970
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180,
    799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833,
    701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845,
    864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649,
    846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815,
    1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
)
# fmt: on


def _earthquakes():
    return Dataset(
        "earthquakes",
        "Earthquakes of magnitude 7 and above in the world, a count a year, 1900-2006",
        "Counts of the U.S. Geological Survey, as in Zucchini, MacDonald and Langrock (2016), Hidden Markov "
        "Models for Time Series, table 1.1.",
        Sequences.wrap([np.array(EARTHQUAKES)]),
        Poisson(),
    )


def _nile():
    return Dataset(
        "nile",
        "Flow of the Nile at Aswan in 100 million cubic metres, a year, 1871-1970",
        "Cobb (1978), The problem of the Nile, Biometrika 65; the first example of Durbin and Koopman "
        "(2012), Time Series Analysis by State Space Methods.",
        Sequences.wrap([np.array(NILE, dtype=float)]),
        Gaussian(),
    )


# -------------------------------------------------------------------- images


def _digits():
    from sklearn.datasets import load_digits

    return Dataset(
        "digits",
        "Handwritten digits, 8 rows of 8 counts of ink (0 to 16); an image is a sequence of its rows",
        "The test part of the UCI set Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), "
        "as bundled with scikit-learn.",
        Sequences.wrap(load_digits().images),
        Poisson(),
    )


LOADERS = {"prose": _prose, "earthquakes": _earthquakes, "nile": _nile, "digits": _digits}


# -------------------------------------------------------------------- files


def read(path, *, tokens="chars", id=None, columns=None):
    """Read sequences from a file.

    Parameters
    ----------
    path : str or Path
        A .txt file, one sequence a line (empty lines are skipped); or a .csv file, a long table with a
        header: one observation a row, in the order of time. An empty cell is missing.
    tokens : {"chars", "words"}
        What the symbols of a .txt file are.
    id : str, optional
        Column of a .csv file that says to which sequence a row belongs; by default, all belong to one.
    columns : list of str, optional
        Columns of a .csv file that hold the observations, all but `id` by default: numbers, or a single
        column of symbols.

    Returns
    -------
    Dataset
        Without a family of its own.
    """
    path = pathlib.Path(path)
    readers = {".txt": lambda: _read_lines(path, tokens), ".csv": lambda: _read_table(path, id, columns)}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} ends in {path.suffix!r}; {' and '.join(readers)} files are accepted")
    try:
        title, sequences = readers[path.suffix.lower()]()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.start} cannot be decoded") from error
    return Dataset(path.name, f"{path.name}: {title}", f"Read from {path}.", sequences)


def _read_lines(path, tokens):
    if tokens not in ("chars", "words"):
        raise ValueError(f"tokens is {tokens!r}; 'chars' and 'words' are accepted")
    with open(path, encoding="utf-8-sig") as file:
        lines = [line.rstrip("\n") for line in file if line.strip()]
    if not lines:
        raise ValueError(f"{path} holds no text")
    title = f"{'characters' if tokens == 'chars' else 'words'}, one sequence a line"
    return title, Sequences.wrap(lines if tokens == "chars" else [line.split() for line in lines])


def _read_table(path, id, columns):
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = [name.strip() for name in next(lines, [])]
        rows = [row for row in lines if row]
        if not rows:
            raise ValueError(f"{path} holds no rows; a header and one row for each observation are accepted")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"{path}, row {number + 1} has {len(row)} cells; the header has {len(header)}")
    columns = [name for name in header if name != id] if columns is None else list(columns)
    for name in [*columns, *([] if id is None else [id])]:
        if header.count(name) != 1:
            found = "is there more than once" if name in header else "is not there"
            raise ValueError(f"{path}: column {name!r} {found}; the columns are {', '.join(map(repr, header))}")
    if not columns:
        raise ValueError(f"{path} has no column but {id!r}; at least one of observations is needed")
    values = _observations([[row[header.index(name)].strip() for row in rows] for name in columns], path, columns)
    members = {}
    for number, row in enumerate(rows):
        members.setdefault(row[header.index(id)] if id is not None else "", []).append(number)
    title = ", ".join(columns) + (f"; a sequence for each {id}" if id is not None else "; one sequence")
    return title, Sequences.wrap([values[numbers] for numbers in members.values()])


def _observations(cells, path, names):
    """Columns of cells as one array: integers, floats with NaN, or (one column only) objects with None."""
    kinds = [_kind(column) for column in cells]
    if str in kinds:
        if len(cells) > 1:
            name = names[kinds.index(str)]
            raise ValueError(
                f"{path}: column {name!r} holds symbols, and there are {len(cells)} columns of observations; "
                "columns of numbers, or a single one of symbols, are accepted (choose with columns)"
            )
        return np.array([cell or None for cell in cells[0]], dtype=object)
    missing = any(not cell for column in cells for cell in column)
    if kinds == [int] and missing:
        return np.array([int(cell) if cell else None for cell in cells[0]], dtype=object)
    if set(kinds) == {int} and not missing:
        values = np.array([[int(cell) for cell in column] for column in cells])
    else:
        values = np.array([[float(cell or "nan") for cell in column] for column in cells])
    return values[0] if len(cells) == 1 else values.T


def _kind(column):
    """The narrowest type that takes all cells that are not empty."""
    for kind in (int, float):
        try:
            for cell in column:
                if cell:
                    kind(cell)
        except ValueError:
            continue
        return kind
    return str
