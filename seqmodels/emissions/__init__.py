"""Families of distributions of one observation; each serves hidden Markov models and networks alike."""

from .autoregressive import AutoregressiveGaussian, AutoregressiveGaussianParameters
from .base import Emission
from .bernoulli import Bernoulli, BernoulliParameters
from .beta import Beta, BetaParameters
from .categorical import Categorical, CategoricalParameters
from .exponential import Exponential, ExponentialParameters
from .gamma import Gamma, GammaParameters
from .gaussian import Gaussian, GaussianParameters
from .geometric import Geometric, GeometricParameters
from .laplace import Laplace, LaplaceParameters
from .lognormal import LogNormal, LogNormalParameters
from .mixture import Mixture, MixtureParameters
from .multinomial import Multinomial, MultinomialParameters
from .negative_binomial import NegativeBinomial, NegativeBinomialParameters
from .poisson import Poisson, PoissonParameters
from .product import Product, ProductParameters
from .student_t import StudentT, StudentTParameters
from .vonmises import VonMises, VonMisesParameters
from .zero_inflated import ZeroInflated, ZeroInflatedParameters

__all__ = [
    "AutoregressiveGaussian",
    "AutoregressiveGaussianParameters",
    "Bernoulli",
    "BernoulliParameters",
    "Beta",
    "BetaParameters",
    "Categorical",
    "CategoricalParameters",
    "Emission",
    "Exponential",
    "ExponentialParameters",
    "Gamma",
    "GammaParameters",
    "Gaussian",
    "GaussianParameters",
    "Geometric",
    "GeometricParameters",
    "Laplace",
    "LaplaceParameters",
    "LogNormal",
    "LogNormalParameters",
    "Mixture",
    "MixtureParameters",
    "Multinomial",
    "MultinomialParameters",
    "NegativeBinomial",
    "NegativeBinomialParameters",
    "Poisson",
    "PoissonParameters",
    "Product",
    "ProductParameters",
    "StudentT",
    "StudentTParameters",
    "VonMises",
    "VonMisesParameters",
    "ZeroInflated",
    "ZeroInflatedParameters",
]
