"""What the weights of a cell start from."""

import numpy as np

__all__ = ["KINDS", "initial"]

N_CONNECTIONS, RADIUS = 15, 0.95  # of sparse recurrent weights


def initial(kind, name, axes, bound, generator):
    """An array of weights to start from.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    name : str
        "input" for weights of what a layer reads; all others act on the layer's own states, or on nothing.
    axes : tuple of Axis
        Rows and columns, of which each block is a matrix of its own, or only the latter.
    bound : float
        Of uniform weights.
    """
    *rows, columns = axes
    if kind == "uniform":
        return generator.uniform(-bound, bound, [axis.length for axis in axes])
    if not rows:
        return np.zeros(columns.length)
    make = KINDS[kind][0 if name == "input" else 1]
    shape = int(rows[0].n_units), int(columns.n_units)
    blocks = [[make(*shape, generator) for _ in range(columns.n_blocks)] for _ in range(rows[0].n_blocks)]
    return np.block(blocks)


def glorot(n_rows, n_columns, generator):
    """Uniform, of a variance that keeps that of signals on average both ways (Glorot & Bengio 2010)."""
    bound = np.sqrt(6 / (n_rows + n_columns))
    return generator.uniform(-bound, bound, (n_rows, n_columns))


def orthogonal(n_rows, n_columns, generator):
    """Orthonormal columns, or rows where these are fewer, of uniform direction (Saxe et al. 2014)."""
    q, r = np.linalg.qr(generator.normal(size=(max(n_rows, n_columns), min(n_rows, n_columns))))
    q *= np.where(np.diag(r) < 0, -1, 1)
    return q if n_rows >= n_columns else q.T


def sparse(n_rows, n_columns, generator):
    """Fifteen connections into each unit, all scaled to a spectral radius of 0.95 (Pascanu et al. 2013, smart tanh).

    Of a matrix that is not square, the largest singular value takes the place of the spectral radius.
    """
    weights = generator.normal(size=(n_rows, n_columns))
    places = np.argsort(generator.random((n_rows, n_columns)), axis=0)
    np.put_along_axis(weights, places[N_CONNECTIONS:], 0.0, axis=0)
    square = n_rows == n_columns
    radius = np.abs(np.linalg.eigvals(weights)).max() if square else np.linalg.norm(weights, 2)
    return weights * (RADIUS / radius)


def small(n_rows, n_columns, generator):
    """Normal, of standard deviation 0.01."""
    return generator.normal(scale=0.01, size=(n_rows, n_columns))


KINDS = {
    "uniform": None,
    "glorot": (glorot, glorot),
    "orthogonal": (glorot, orthogonal),
    "sparse": (small, sparse),
}
"""Names, and what input and recurrent matrices are drawn by; vectors are zero unless all weights are uniform."""
