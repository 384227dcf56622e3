import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.emissions import Bernoulli, Categorical, Emission, Gaussian
from seqmodels.emissions.default import default_emission


@pytest.mark.parametrize(
    ("X", "family"),
    [
        (["abc"], Categorical),
        ([[3, 1, 4]], Categorical),
        ([[0, 1, 1]], Categorical),
        ([[1, None, 2]], Categorical),
        ([[[1], [2]]], Categorical),
        ([[[0, 1], [1, 1]]], Bernoulli),
        ([[[0.0, 1.0], [np.nan, 1.0]]], Bernoulli),
        ([[0.0, 1.0]], Gaussian),
        ([[[0.5, 1.0]]], Gaussian),
    ],
)
def test_the_data_choose(X, family):
    assert type(default_emission(Sequences.wrap(X))) is family


def test_several_columns_of_integers_are_ambiguous():
    with pytest.raises(ValueError, match=r"data has 2 columns of integers, .*Poisson\(\).* Categorical\(\)"):
        default_emission(Sequences.wrap([[[1, 2], [3, 4]]]), "data")


@pytest.mark.parametrize("method", ["log_density", "rough"])
def test_a_family_says_what_it_lacks(method):
    class Half(Emission):
        pass

    with pytest.raises(TypeError, match=f"Half does not define {method}"):
        arguments = (None, None) if method == "log_density" else (None,)
        getattr(Half(), method)(*arguments)
