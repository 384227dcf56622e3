"""Symbols as vectors: rows of a table, which is learned or given, take the place of rows of the input weights."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator

from ..jit import inline_here, kernel
from .inputs import one_step_later

__all__ = ["EMBEDDING", "Embedding", "EmbeddingInput", "add_to_table", "embedding_for", "gather", "may_go_on"]

EMBEDDING = "embedding"  # in place of a layer's number: what stands below all of them
N_SPECIAL = 3  # rows of a column beside those of its symbols: the unknown symbol, a missing one, the start
IN_TABLES = 16  # numbers, at most, for a column of symbols beside others, unless the user says how many


class Embedding(BaseEstimator):
    """Vectors of symbols that are given, such as those of word2vec.

    ``RNN(embedding=vectors)`` stands for ``RNN(embedding=Embedding(vectors))``: the vectors stay as they are. The
    unknown symbol, a missing one, the start and symbols without a vector have learned ones, which begin at zero.

    Parameters
    ----------
    vectors : dict of arrays (E,) by symbol, or array (V, E)
        The rows of an array are those of the symbols in the order of the model's ``alphabet_``.
    trainable : bool
        Whether training goes on with them.
    """

    def __init__(self, vectors, trainable=False):
        self.vectors = vectors
        self.trainable = trainable


class EmbeddingInput:
    """Columns of symbols, each read as a vector (E,): a row of the part of a table that is the column's.

    Parameters
    ----------
    columns : list of int
    n_symbols : list of int
        The number of symbols in each.
    table : array (S, E)
        Rows of the symbols, of the unknown one, of a missing one and of the start, column by column.
    learned : array (S,) of bool
        Which of them training changes.
    dtype : dtype
    random : bool
        Whether the rows of symbols start at random.
    """

    def __init__(self, columns, n_symbols, table, learned, dtype, random=False):
        self.columns = list(columns)
        self.n_symbols = np.array(n_symbols)
        self.firsts = np.cumsum([0, *(self.n_symbols + N_SPECIAL)])[:-1]
        self.table = table.astype(dtype)
        self.learned = np.flatnonzero(learned)
        self.random = random
        self.width = len(self.columns) * table.shape[1]

    def encode(self, values):
        """Rows of the table (n, K) for values (n, D)."""
        values = values[:, self.columns]
        seen = values >= 0  # neither NaN nor the code of a missing symbol
        codes = np.where(seen, np.minimum(values, self.n_symbols), self.n_symbols + 1)
        return self.firsts + codes.astype(np.int64)

    def start(self, n):
        """What stands before the first observation, n times."""
        return np.repeat((self.firsts + self.n_symbols + 2)[None], n, axis=0)

    def read(self, values, offsets):
        """What stands before each observation (M, K) of sequences."""
        return one_step_later(self.encode(values), self.start(len(offsets) - 1), offsets)

    def prepared(self, weights, calls):
        """The whole table, from the learned rows; notes among the `calls` what is to be done when they change."""
        table = self.table.copy()
        table[self.learned] = weights
        calls.append((table.__setitem__, (self.learned, weights)))
        return table

    def initial(self, generator):
        """The learned rows at the start: given ones, those of a normal distribution, and zeros for what is special."""
        table = self.table.copy()
        if self.random:
            for first, n in zip(self.firsts, self.n_symbols, strict=True):
                table[first : first + n] = generator.normal(size=(n, table.shape[1]))
        return table[self.learned]

    def weigh(self, codes, rows, d_inputs, column, out):
        """Write the gradients of the learned rows to `out`, from those of inputs (M, I), embedded from a column on."""
        d_table = np.zeros_like(self.table) if len(self.learned) < len(self.table) else out
        add_to_table(len(rows), codes, rows, d_inputs, column, d_table)
        if d_table is not out:
            out[...] = d_table[self.learned]


@inline_here
def gather(n, codes, table, rows, first, column, source):
    """Write the vectors of n rows from `first` on side by side, from a column of `source` on."""
    for m in range(n):
        for k in range(codes.shape[1]):
            code, place = codes[rows[first + m], k], column + k * table.shape[1]
            for j in range(table.shape[1]):
                source[m, place + j] = table[code, j]


@kernel
def add_to_table(n, codes, rows, d_inputs, column, out):
    """Add the gradients of n inputs, from a column on, to the rows of the table that these were."""
    for m in range(n):
        for k in range(codes.shape[1]):
            code, place = codes[rows[m], k], column + k * out.shape[1]
            for j in range(out.shape[1]):
                out[code, j] += d_inputs[m, place + j]


# -------------------------------------------------------------------- made from what the user says


def embedding_for(sequences, columns, embedding, dtype):
    """The `EmbeddingInput` of these sequences, None where nothing is embedded.

    Parameters
    ----------
    sequences : Sequences
    columns : sequence of int
        Which columns hold codes of symbols, where there is no alphabet.
    embedding : int, dict, array, Embedding or None
    dtype : dtype
    """
    if sequences.alphabet is None and not len(columns):
        if embedding is not None:
            raise ValueError("embedding is for symbols, and X holds numbers; None is accepted")
        return None
    if sequences.alphabet is not None and embedding is None:
        return None
    sized = embedding is None or isinstance(embedding, int | np.integer)
    if sized and embedding is not None and not embedding >= 1:
        raise ValueError(f"embedding is {embedding!r}; integers from 1, vectors and None are accepted")
    if sequences.alphabet is not None and not sized:
        return _given(sequences.alphabet, embedding, dtype)
    if not sized:
        raise ValueError("embedding holds vectors, and X a table with columns of symbols; an integer is accepted there")
    columns = [0] if sequences.alphabet is not None else columns
    n_symbols = [_n_symbols(sequences, column) for column in columns]
    n_rows = sum(n_symbols) + N_SPECIAL * len(columns)
    E = min(IN_TABLES, max(n_symbols) + N_SPECIAL) if embedding is None else embedding
    return EmbeddingInput(columns, n_symbols, np.zeros((n_rows, E)), np.ones(n_rows, dtype=bool), dtype, random=True)


def may_go_on(made, there, sized):
    """Whether training goes on with what is there, where another would be made; `sized` if the user says of what size.

    Other data may have fewer symbols in a column.
    """
    if made is None or there is None:
        return made is there
    if made.random and there.random:
        return not sized or made.table.shape[1] == there.table.shape[1]
    return all(map(np.array_equal, (made.learned, made.table), (there.learned, there.table)))


def _n_symbols(sequences, column):
    if sequences.alphabet is not None:
        return len(sequences.alphabet)
    codes = sequences.values[:, column]
    return int(codes.max(initial=-1, where=~np.isnan(codes))) + 1


def _given(alphabet, embedding, dtype):
    embedding = embedding if isinstance(embedding, Embedding) else Embedding(embedding)
    V, vectors = len(alphabet), embedding.vectors
    accepted = "vectors of finite numbers, all of one length, are accepted"
    known = np.ones(V, dtype=bool)
    if isinstance(vectors, Mapping):
        known = np.array([symbol in vectors for symbol in alphabet])
        if not known.any():
            raise ValueError(f"embedding has a vector for none of the {V} symbols of X, such as {alphabet[0]!r}")
        vectors = [vectors[symbol] for symbol in alphabet if symbol in vectors]
    try:
        vectors = np.asarray(vectors, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"embedding is not made of vectors of one length; {accepted}") from None
    if vectors.ndim != 2 or len(vectors) != known.sum() or vectors.shape[1] == 0:
        raise ValueError(
            f"embedding has shape {vectors.shape}; one row for each of the {V} symbols, ({V}, E), in the order of "
            "alphabet_ is accepted (Sequences.wrap(X, alphabet=...) says what symbols there are), or a dict"
        )
    if not np.all(finite := np.isfinite(vectors)):
        symbol = np.array(alphabet, dtype=object)[known][np.argmin(finite.all(axis=1))]
        raise ValueError(f"embedding of the symbol {symbol!r} is not finite; {accepted}")
    table, learned = np.zeros((V + N_SPECIAL, vectors.shape[1])), np.ones(V + N_SPECIAL, dtype=bool)
    table[:V][known] = vectors
    learned[:V] = embedding.trainable | ~known
    return EmbeddingInput([0], [V], table, learned, dtype)
