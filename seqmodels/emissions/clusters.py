"""Clusters of observations, for models to start from."""

import numpy as np

__all__ = ["cluster"]

N_CLUSTERED = 20_000  # at most so many observations are clustered; the rest go to the nearest centre


def cluster(points, weights, n_clusters, generator):
    """Cluster points by k-means.

    Parameters
    ----------
    points : array (S, P)
    weights : array (S,)
        How often each counts; those of weight zero only get a label.
    n_clusters : int
    generator : numpy.random.Generator

    Returns
    -------
    array (S,) of int, or None
        Labels; None where fewer points than clusters are distinct.
    """
    from sklearn.cluster import KMeans  # takes a quarter of a second to import

    seed = int(generator.integers(2**31))
    chosen = np.flatnonzero(weights > 0)
    if len(chosen) > N_CLUSTERED:
        chosen = np.sort(generator.choice(chosen, N_CLUSTERED, replace=False))
    if len(np.unique(points[chosen], axis=0)) < n_clusters:
        return None
    clusters = KMeans(n_clusters, n_init=1, random_state=seed)
    clusters.fit(points[chosen], sample_weight=weights[chosen])
    return clusters.predict(points)
