import warnings

import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import Categorical


class Column:
    """As little of a data frame's column of lists as is asked for."""

    def __init__(self, rows, method):
        self.rows = rows
        setattr(self, method, lambda: rows)


class Table:
    """As little of a data frame as is asked for."""

    columns = ("x", "y")

    def __init__(self, values):
        self.values = values

    def __iter__(self):
        return iter(self.columns)

    def to_numpy(self):
        return self.values


def values_of(sequences):
    return [values.tolist() for values in sequences.split(sequences.values)]


# -------------------------------------------------------------------- accepted forms


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, 2.0], [3.0]],
        ([1.0, 2.0], (3.0,)),
        [np.array([1, 2]), np.array([3.0])],
        [np.array([1, 2], dtype=np.float16), np.array([3], dtype=np.uint8)],
        [np.array([1.0, 2.0], dtype=object), [3]],
        [range(1, 3), np.longdouble([3.0])],
        (sequence for sequence in ([1.0, 2.0], [3.0])),
        np.array([np.array([1.0, 2.0]), np.array([3.0])], dtype=object),
        Column([[1.0, 2.0], [3.0]], "to_list"),
        Column([[1.0, 2.0], [3.0]], "to_pylist"),
    ],
    ids=lambda X: type(X).__name__,
)
def test_lists_of_flat_sequences_in_many_guises(X):
    sequences = Sequences.wrap(X)
    assert values_of(sequences) == [[[1.0], [2.0]], [[3.0]]]
    assert sequences.values.dtype == np.float64
    assert sequences.form == "flat"
    np.testing.assert_array_equal(sequences[0], [1.0, 2.0])


def test_sequences_of_vectors():
    X = [np.arange(6.0).reshape(3, 2), [[7, 8]]]
    sequences = Sequences.wrap(X)
    assert (len(sequences), sequences.n_observations, sequences.n_features) == (2, 4, 2)
    np.testing.assert_array_equal(sequences.lengths, [3, 1])
    for n, x in enumerate(X):
        np.testing.assert_array_equal(sequences[n], x)
    assert repr(sequences) == "<Sequences: 2 sequences, 4 observations, 2 columns>"


def test_elements_are_converted_on_their_own():
    """Sequences of one length must not become one array, nor may their types mix."""
    equal = Sequences.wrap([[1, 2], [3, 4]])
    assert len(equal) == 2
    assert equal.n_features == 1
    objects = Sequences.wrap([["a", "bc"], ["bc", "a"]])
    assert objects.alphabet == ("a", "bc")


def test_three_dimensional_array():
    X = np.arange(24.0).reshape(2, 4, 3)
    sequences = Sequences.wrap(X)
    np.testing.assert_array_equal(sequences.lengths, [4, 4])
    np.testing.assert_array_equal(sequences[1], X[1])


@pytest.mark.parametrize("X", [np.arange(6.0).reshape(3, 2), np.arange(3), Table(np.ones((3, 2)))])
def test_one_bare_array_is_one_sequence_with_a_warning(X):
    with pytest.warns(UserWarning, match=r"X is one array .* taken as one sequence; write \[X\]"):
        sequences = Sequences.wrap(X)
    assert len(sequences) == 1
    assert sequences.n_observations == 3


def test_a_table_in_a_list_is_a_sequence():
    np.testing.assert_array_equal(Sequences.wrap([Table(np.ones((3, 2)))])[0], np.ones((3, 2)))


@pytest.mark.parametrize("X", [np.arange(10.0).reshape(5, 2), np.arange(5), list("abcab")], ids=["2-D", "1-D", "list"])
def test_lengths_cut_one_array(X):
    sequences = Sequences.wrap(X, lengths=[2, 3])
    np.testing.assert_array_equal(sequences.lengths, [2, 3])
    np.testing.assert_array_equal(sequences[1], X[2:])


def test_sequences_pass_as_they_are():
    sequences = Sequences.wrap([[1.0]])
    assert Sequences.wrap(sequences) is sequences


# -------------------------------------------------------------------- symbols


@pytest.mark.parametrize(
    ("X", "alphabet"),
    [
        (["abca", "cc"], ("a", "b", "c")),
        ([["to", "be"], ["or"]], ("be", "or", "to")),
        ([np.array(["to", "be"]), np.array(["or"])], ("be", "or", "to")),
        ([[("a", 1), ("b", 2)], [("a", 2)]], (("a", 1), ("a", 2), ("b", 2))),
        ([[("a",), ("a", "b"), None]], (("a",), ("a", "b"))),
        ([["a", 1]], ("a", 1)),
        ([["a", 1], [2.5]], ("a", 1, 2.5)),
        ([[True, "x"]], (True, "x")),
        ([[b"x", b"yz"]], (b"x", b"yz")),
        ([[1, None, 3]], (1, 3)),
        ([[["a"], ["b"]], [["a"]]], ("a", "b")),
        ([[2**64, 3]], (3, 2**64)),
        (np.array([[[2**63 + 5]]], dtype=np.uint64), (2**63 + 5,)),
        ([[frozenset("ab"), frozenset("c")]], (frozenset("ab"), frozenset("c"))),
        (["a\N{GRINNING FACE}\ud800"], ("a", "\ud800", "\N{GRINNING FACE}")),
    ],
)
def test_symbols_of_any_kind_are_encoded_and_come_back(X, alphabet):
    sequences = Sequences.wrap(X)
    assert sequences.alphabet == alphabet
    assert [type(symbol) for symbol in sequences.alphabet] == [type(symbol) for symbol in alphabet]
    assert sequences.values.dtype == np.int64
    for n, x in enumerate(X):
        back = sequences[n]
        assert len(back) == len(x)
        assert all(np.all(b == s) for b, s in zip(back, x, strict=True))
    assert Sequences.wrap(list(sequences)).alphabet == alphabet


def test_missing_symbols():
    for missing in (None, np.nan, float("nan")):
        sequences = Sequences.wrap([["a", missing, "b"], [missing]])
        assert sequences.alphabet == ("a", "b")
        np.testing.assert_array_equal(sequences.values[:, 0], [0, -1, 1, -1])
        np.testing.assert_array_equal(sequences.missing[:, 0], [False, True, False, True])
        assert sequences[0].tolist() == ["a", None, "b"]


def test_integers_with_none_stay_symbols_and_floats_with_none_stay_numbers():
    assert Sequences.wrap([[3, None, 1]]).alphabet == (1, 3)
    sequences = Sequences.wrap([[3.5, None, 1]])
    assert sequences.alphabet is None
    np.testing.assert_array_equal(sequences[0], [3.5, np.nan, 1])
    columns = Sequences.wrap([[[1, None], [2, 3]]])  # several columns are never symbols
    np.testing.assert_array_equal(columns[0], [[1, np.nan], [2, 3]])


def test_integers_become_symbols_when_asked():
    sequences = Sequences.wrap([[5, -1, 5], [7]])
    assert sequences.alphabet is None
    assert not sequences.missing.any()
    encoded = sequences.encoded()
    assert encoded.alphabet == (-1, 5, 7)
    np.testing.assert_array_equal(encoded.values[:, 0], [1, 0, 1, 2])
    assert encoded[0].tolist() == [5, -1, 5]
    with_gap = Sequences.wrap([[5.0, np.nan, 6.0]]).encoded()
    assert with_gap.alphabet == (5, 6)
    np.testing.assert_array_equal(with_gap.values[:, 0], [0, -1, 1])


def test_unknown_symbols_get_the_code_past_the_alphabet():
    sequences = Sequences.wrap(["abz"]).encoded(("b", "a"))
    np.testing.assert_array_equal(sequences.values[:, 0], [1, 0, 2])
    assert sequences[0] == "ab\N{REPLACEMENT CHARACTER}"
    again = sequences.encoded(("a", "b", "c"))  # what was unknown once stays so
    np.testing.assert_array_equal(again.values[:, 0], [0, 1, 3])
    numbers = Sequences.wrap([[1, 9, None]]).encoded((1, 2))
    assert numbers[0].tolist() == [1, None, None]
    np.testing.assert_array_equal(numbers.values[:, 0], [0, 2, -1])


def test_alphabet_given_beforehand():
    sequences = Sequences.wrap(["ab", "b"], alphabet="bca")
    assert sequences.alphabet == ("b", "c", "a")
    np.testing.assert_array_equal(sequences.values[:, 0], [2, 0, 0])
    assert Sequences.wrap(sequences, alphabet="ab").alphabet == ("a", "b")


@pytest.mark.parametrize(
    ("data", "symbol"),
    [(["ab", "abz"], "'z'"), ([["a", "b"], ["a", "b", "zz"]], "'zz'"), ([["a"], ["b", "a", 7]], "7")],
)
def test_unknown_symbols_are_refused_where_that_is_asked_for(data, symbol):
    message = rf"X\[1\], position 2 is the symbol {symbol}, which is not among the 2 symbols seen in fit"
    with pytest.raises(ValueError, match=message):
        Sequences.wrap(data).encoded(("a", "b"), unknown="error")
    model = Independent(Categorical(unknown="error")).fit(["ab"])
    with pytest.raises(ValueError, match=message):
        model.score(data)


def test_refused_integers_are_named_plainly():
    with pytest.raises(ValueError, match=r"X\[0\], position 1 is the symbol 8, which is not among the 1 symbols"):
        Sequences.wrap([[1, 8]]).encoded((1,), unknown="error")


def test_symbols_that_are_numbers_can_be_numbers_again():
    sequences = Sequences.wrap([[1, None, 3], [2]])
    numeric = sequences.numeric()
    assert numeric.alphabet is None
    np.testing.assert_array_equal(numeric.values[:, 0], [1, np.nan, 3, 2])
    with pytest.raises(TypeError, match="X holds symbols such as 'a'; numbers are accepted here"):
        Sequences.wrap([["a", 1]]).numeric()
    plain = Sequences.wrap([[1.0]])
    assert plain.numeric() is plain


# -------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "X holds no sequence; at least one is needed"),
        ([[1.0], []], ValueError, r"X\[1\] is empty; every sequence needs at least one observation"),
        (["ab", ""], ValueError, r"X\[1\] is empty"),
        ([np.empty((0, 2)), np.ones((1, 2))], ValueError, r"X\[0\] is empty"),
        ([np.ones((2, 2)), np.ones((2, 3))], ValueError, r"X\[1\] has 3 columns but X\[0\] has 2"),
        (
            [[1.0], np.ones((2, 2))],
            ValueError,
            r"X\[1\] has 2 dimensions but X\[0\] has 1; all .* \(T,\) or all",
        ),
        ([np.ones((2, 2)), [1.0]], ValueError, r"X\[1\] has 1 dimensions but X\[0\] has 2"),
        ([np.ones((2, 2, 2))], ValueError, r"X\[0\] has 3 dimensions; \(T,\) or \(T, D\) is accepted"),
        (np.ones((1, 2, 2, 2)), ValueError, "X has 4 dimensions; a list of sequences is accepted"),
        (np.float64(3), TypeError, "X is a float64; a list of sequences is accepted"),
        (np.array(3.0), ValueError, "X has 0 dimensions"),
        (
            [[1.0], [2.0, np.inf]],
            ValueError,
            r"X\[1\], position 1 is inf; finite numbers and NaN are accepted",
        ),
        ([[[1.0, 2.0], [3.0, -np.inf]]], ValueError, r"X\[0\], position 1, column 1 is -inf"),
        (
            [1.0, 2.0],
            ValueError,
            r"X\[0\] is 1.0; a sequence was expected \(write \[X\] if this is one sequence\)",
        ),
        ([[1.0], None], ValueError, r"X\[1\] is None; a sequence was expected"),
        (b"abc", ValueError, r"X\[0\] is 97; a sequence was expected"),
        ("abc", TypeError, r"X is one string; write \[X\] for one sequence of characters"),
        (3, TypeError, "X is a int; a list of sequences is accepted"),
        (None, TypeError, "X is a NoneType; a list of sequences is accepted"),
        ({"a": [1.0]}, TypeError, "X is a dict; a list of sequences is accepted"),
        ([{1.0, 2.0}], ValueError, r"X\[0\] has 0 dimensions"),
        ([[1j]], TypeError, r"X\[0\] holds complex128; numbers, strings or objects are accepted"),
        ([np.array(["2020-01-01"], dtype="M8[D]")], TypeError, r"X\[0\] holds datetime64\[D\]"),
        ([[1.0], [[1, 2], [3]]], TypeError, r"X\[1\], position 0 is \[1, 2\]; symbols have to be hashable"),
        ([["a", "b"], ["a", {}]], TypeError, r"X\[1\], position 1 is {}; symbols have to be hashable"),
        ([[["a", "b"], ["c", "d"]]], TypeError, "X holds symbols in 2 columns; one column is accepted"),
    ],
)
def test_bad_data_are_named_with_their_place(X, error, message):
    with pytest.raises(error, match=message):
        Sequences.wrap(X)


@pytest.mark.parametrize(
    ("X", "lengths", "message"),
    [
        (np.ones((5, 2)), [2, 2], "lengths add up to 4, but X has 5 observations"),
        (np.ones(5), [5, 0], "lengths must be a list of positive integers"),
        (np.ones(5), [2.5, 2.5], "lengths must be a list of positive integers"),
        (np.ones(5), [[5]], "lengths must be a list of positive integers"),
        (np.ones(5), [], "lengths must be a list of positive integers"),
        (np.ones((5, 1, 1)), [5], r"X has 3 dimensions; with lengths, \(M,\) or \(M, D\) is accepted"),
        (Sequences.wrap([[1.0]]), [1], "X is a Sequences and knows its lengths; leave lengths out"),
    ],
)
def test_bad_lengths(X, lengths, message):
    with pytest.raises(ValueError, match=message):
        Sequences.wrap(X, lengths=lengths)


def test_errors_name_the_argument():
    model = Independent().fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"validation\[0\] is empty"):
        model.fit([[1.0, 2.0]], validation=[[]])
    with pytest.raises(ValueError, match=r"prefix\[0\], position 1 is inf"):
        model.sample(prefix=[1.0, np.inf])
    with pytest.raises(ValueError, match="X has 2 columns; the model was fitted to 1"):
        model.score([np.ones((3, 2))])


def test_symbols_take_whole_numbers_in_one_column():
    with pytest.raises(ValueError, match=r"X\[1\], position 0 is 2.5; symbols are accepted: integers"):
        Sequences.wrap([[1.0], [2.5]]).encoded()
    with pytest.raises(ValueError, match="X has 2 columns; symbols take one"):
        Sequences.wrap([[[1, 2]]]).encoded()


def test_alphabets_may_not_repeat_themselves():
    with pytest.raises(ValueError, match="alphabet has 3 symbols, of which only 2 are different"):
        Sequences.wrap(["ab"], alphabet="aba")


# -------------------------------------------------------------------- looked at and taken apart


@pytest.fixture
def sequences():
    return Sequences.wrap(["abc", "a", "cb", "bbbb"]).given_past([1, 0, 2, 2])


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (np.array([2, 0]), ["cb", "abc"]),
        ([3, 3], ["bbbb", "bbbb"]),
        (slice(1, None, 2), ["a", "bbbb"]),
        (np.array([True, False, False, True]), ["abc", "bbbb"]),
        ((np.array([2, 0]), ...), ["cb", "abc"]),
        (np.array([-1]), ["bbbb"]),
    ],
    ids=str,
)
def test_several_sequences_keep_alphabet_and_given(sequences, index, expected):
    chosen = sequences[index]
    assert list(chosen) == expected
    assert chosen.alphabet == ("a", "b", "c")
    plain = index[0] if isinstance(index, tuple) else index
    np.testing.assert_array_equal(chosen.given, sequences.given[plain])
    assert chosen.shape == (len(expected),)


def test_none_of_the_sequences(sequences):
    nothing = sequences[np.array([], dtype=int)]
    assert len(nothing) == 0
    assert nothing.alphabet == sequences.alphabet
    assert nothing.values.shape == (0, 1)


def test_one_sequence(sequences):
    assert sequences[1] == "a"
    assert sequences[-1] == "bbbb"
    assert sequences[np.int64(2), ...] == "cb"
    for wrong in (4, -5):
        with pytest.raises(IndexError):
            sequences[wrong]
    with pytest.raises(IndexError, match="Sequences take one index"):
        sequences[0, 1]


def test_positions_and_scored_observations(sequences):
    np.testing.assert_array_equal(sequences.positions, [0, 1, 2, 0, 0, 1, 0, 1, 2, 3])
    np.testing.assert_array_equal(sequences.scored, [0, 1, 1, 1, 0, 0, 0, 0, 1, 1])
    half = Sequences.wrap([[[np.nan, 1.0], [np.nan, np.nan]]])
    np.testing.assert_array_equal(half.scored, [True, False])


def test_given_past_is_cut_to_the_length_and_not_scored():
    sequences = Sequences.wrap([[1.0, 2.0, 9.0], [3.0]]).given_past(2)
    np.testing.assert_array_equal(sequences.given, [2, 1])
    np.testing.assert_array_equal(sequences.scored, [False, False, True, False])
    model = Independent().fit([[1.0, 2.0, 9.0], [3.0]])
    assert model.score(sequences) == pytest.approx(model.log_likelihoods([[9.0]])[0][0])
    np.testing.assert_array_equal(model.log_likelihood(sequences) == 0, [False, True])
    with pytest.raises(ValueError, match="X has observations that are merely given"):
        model.fit(sequences)
    with pytest.raises(ValueError, match="there is nothing to score"):
        model.score(sequences[[1]])


def test_first_observations(sequences):
    first = sequences.first([2, 0, 5, 1])
    assert list(first) == ["ab", "cb", "b"]
    assert first.given is None
    assert list(sequences.first(1)) == ["a", "a", "c", "b"]


def test_order_split_and_sums(sequences):
    np.testing.assert_array_equal(sequences.longest_first(), [3, 0, 2, 1])
    same = Sequences.wrap(["ab", "cd", "abc"])
    np.testing.assert_array_equal(same.longest_first(), [2, 0, 1])
    terms = np.arange(10.0)
    assert [part.tolist() for part in sequences.split(terms)] == [[0, 1, 2], [3], [4, 5], [6, 7, 8, 9]]
    np.testing.assert_array_equal(sequences.per_sequence(terms), [3, 3, 9, 30])


@pytest.mark.parametrize("values", [["abc", "ca"], [["x", "yy"], ["x"]], [[1.5, np.nan], [0.0]], [[[1, 2]], [[3, 4]]]])
def test_outside_is_the_inverse_of_wrap(values):
    sequences = Sequences.wrap(values)
    outside = [sequences.outside(part) for part in sequences.split(sequences.values)]
    again = Sequences.wrap(outside)
    np.testing.assert_array_equal(again.values, sequences.values)
    np.testing.assert_array_equal(again.offsets, sequences.offsets)
    assert (again.alphabet, again.form) == (sequences.alphabet, sequences.form)


def test_texts_come_back_as_texts_only_where_all_were():
    mixed = Sequences.wrap(["ab", ["b", "a"]])
    assert mixed.form == "flat"
    assert mixed[0].tolist() == ["a", "b"]


def test_where():
    sequences = Sequences.wrap([np.ones((2, 2)), np.ones((3, 2))])
    assert sequences.where(0) == "X[0], position 0"
    assert sequences.where(1, "y", 1) == "y[0], position 1, column 1"
    assert sequences.where(4) == "X[1], position 2"


def test_wrapping_does_not_alter_what_it_is_given():
    x = np.array([1.0, np.nan])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sequences.wrap([x])
    np.testing.assert_array_equal(x, [1.0, np.nan])
