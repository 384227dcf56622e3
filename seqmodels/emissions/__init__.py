"""Families of distributions of one observation; each serves hidden Markov models and networks alike."""

from .autoregressive import AutoregressiveGaussian, AutoregressiveGaussianParameters
from .base import Emission
from .bernoulli import Bernoulli, BernoulliParameters
from .categorical import Categorical, CategoricalParameters
from .gaussian import Gaussian, GaussianParameters
from .mixture import Mixture, MixtureParameters
from .poisson import Poisson, PoissonParameters
from .product import Product, ProductParameters
from .zero_inflated import ZeroInflated, ZeroInflatedParameters

__all__ = [
    "AutoregressiveGaussian",
    "AutoregressiveGaussianParameters",
    "Bernoulli",
    "BernoulliParameters",
    "Categorical",
    "CategoricalParameters",
    "Emission",
    "Gaussian",
    "GaussianParameters",
    "Mixture",
    "MixtureParameters",
    "Poisson",
    "PoissonParameters",
    "Product",
    "ProductParameters",
    "ZeroInflated",
    "ZeroInflatedParameters",
]
