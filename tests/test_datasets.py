import builtins
import zlib

import numpy as np
import pytest

from seqmodels import datasets
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.emissions.default import default_emission

# -------------------------------------------------------------------- data sets by name


@pytest.mark.parametrize(
    "name, n_sequences, n_observations, n_features, family",
    [("earthquakes", 1, 107, 1, Poisson), ("nile", 1, 100, 1, Gaussian), ("digits", 1797, 14376, 8, Poisson)],
)
def test_sizes_and_families(name, n_sequences, n_observations, n_features, family):
    data = datasets.load(name)
    assert len(data.sequences) == n_sequences
    assert data.sequences.values.shape == (n_observations, n_features)
    assert isinstance(data.emission, family)
    data.emission.check(data.sequences)
    assert data.name == name and data.title and data.description


def test_figures_of_the_series():
    earthquakes, nile = (datasets.load(name).sequences.values for name in ("earthquakes", "nile"))
    assert earthquakes.sum() == 2072 and earthquakes[[0, 43, 106], 0].tolist() == [13, 41, 11]
    assert nile.sum() == 91935 and nile[[0, 42, 99], 0].tolist() == [1120, 456, 740]


def test_prose_says_what_it_is():
    data = datasets.load("prose")
    text = "\n".join(data.sequences)
    assert isinstance(data.emission, Categorical)
    assert f"{len(data.sequences):,} paragraphs" in data.description
    assert f"{data.sequences.n_observations:,} characters" in data.description
    assert f"CRC32 {zlib.crc32(text.encode()):08x}" in data.description
    assert len(data.sequences) > 300 and data.sequences.n_observations > 50_000  # in every Python so far


def test_paragraphs_of_prose():
    prose = "The language has words, and their meaning\n   is said in sentences of some length."
    page = (
        f"A heading that is as long as a paragraph, but is underlined\n{'*' * 60}\n\n{prose}\n\nToo short.\n\n"
        f"   if this_is_code_then_it_ends_in_something_else(than_a_full_stop):\n       pass\n\n{prose}\n\n"
        f"Names ::= what is defined by grammar has this sign, whatever its length is.\n"
    )
    joined = "The language has words, and their meaning is said in sentences of some length."
    second = "A second page repeats what the first one says, and then it says this."
    pages = {"b": f"{prose}\n \n{second}", "a": page}
    assert datasets.prose_paragraphs(pages) == [joined, second]


def test_a_python_without_the_prose(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pydoc_data"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="this Python lacks"):
        datasets.load("prose")


def test_unknown_names():
    with pytest.raises(ValueError, match="name is 'iris'; 'prose', 'earthquakes', 'nile', 'digits' are accepted"):
        datasets.load("iris")
    assert datasets.names() == ["prose", "earthquakes", "nile", "digits"]


# -------------------------------------------------------------------- text files


@pytest.fixture
def write(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content.encode(encoding))
        return path

    return write


def test_a_line_of_text_is_a_sequence(write):
    data = datasets.read(write("a.txt", "to be\n\nor not\r\nüber\n"))
    assert list(data.sequences) == ["to be", "or not", "über"]
    assert data.emission is None and data.name == "a.txt"


def test_words_of_text(write):
    data = datasets.read(str(write("a.TXT", "to be\nor not  to be\n", "utf-8-sig")), tokens="words")
    assert [list(sequence) for sequence in data.sequences] == [["to", "be"], ["or", "not", "to", "be"]]


@pytest.mark.parametrize(
    "name, content, encoding, options, words",
    [
        ("a.txt", "\n \n", "utf-8", {}, "holds no text"),
        ("a.txt", "caf\xe9\n", "latin-1", {}, "is not UTF-8 text: byte 3"),
        ("a.txt", "a", "utf-8", {"tokens": "letters"}, "tokens is 'letters'"),
        ("a.doc", "a", "utf-8", {}, r"ends in '.doc'; .txt and .csv files are accepted"),
    ],
)
def test_text_that_cannot_be_read(write, name, content, encoding, options, words):
    with pytest.raises(ValueError, match=words):
        datasets.read(write(name, content, encoding), **options)


# -------------------------------------------------------------------- tables


def test_a_table_is_one_sequence_by_default(write):
    data = datasets.read(write("a.csv", "x,y\n1.5,2\n2.5,3\n"))
    assert len(data.sequences) == 1
    assert data.sequences.values.tolist() == [[1.5, 2.0], [2.5, 3.0]]
    assert "x, y; one sequence" in data.title


def test_rows_of_one_id_are_a_sequence_in_their_order(write):
    data = datasets.read(write("a.csv", "who,x\nb,1\na,2\nb,3\n\na,4\na,5\n"), id="who")
    assert [sequence.tolist() for sequence in data.sequences] == [[1, 3], [2, 4, 5]]
    assert data.sequences.values.dtype == np.int64
    assert "a sequence for each who" in data.title


def test_columns_can_be_chosen(write):
    path = write("a.csv", "year, count ,note\n1900,13,x\n1901,14,y\n")
    assert datasets.read(path, columns=["count"]).sequences.values.tolist() == [[13], [14]]
    assert datasets.read(path, columns=["count", "year"]).sequences.values.tolist() == [[13, 1900], [14, 1901]]


def test_empty_cells_are_missing(write):
    data = datasets.read(write("a.csv", "x,y\n1,2\n,3\n4,\n")).sequences
    assert np.array_equal(data.missing, [[False, False], [True, False], [False, True]])
    symbols = datasets.read(write("b.csv", 'mood\ngood\n""\nbad\n')).sequences
    assert symbols.missing[:, 0].tolist() == [False, True, False]
    assert list(symbols[0]) == ["good", None, "bad"]


def test_counts_stay_counts_where_some_are_missing(write):
    data = datasets.read(write("a.csv", "x,n\nu,3\nu,\nu,5\n"), id="x").sequences
    assert isinstance(default_emission(data), Categorical)
    assert data.numeric().values[[0, 2], 0].tolist() == [3, 5]


@pytest.mark.parametrize(
    "content, options, words",
    [
        ("", {}, "holds no rows"),
        ("x,y\n", {}, "holds no rows"),
        ("x,y\n1,2\n3\n", {}, "row 2 has 1 cells; the header has 2"),
        ("x,y\n1,2\n", {"id": "z"}, "column 'z' is not there; the columns are 'x', 'y'"),
        ("x,y\n1,2\n", {"columns": ["x", "z"]}, "column 'z' is not there"),
        ("x,x\n1,2\n", {}, "column 'x' is there more than once"),
        ("x\n1\n", {"id": "x"}, "has no column but 'x'"),
        ("x,y\n1,a\n", {}, "column 'y' holds symbols, and there are 2 columns of observations"),
    ],
)
def test_tables_that_cannot_be_read(write, content, options, words):
    with pytest.raises(ValueError, match=words):
        datasets.read(write("a.csv", content), **options)
