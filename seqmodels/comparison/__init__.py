"""Models side by side: fitted to the same sequences, judged on the same held-out ones."""

from .candidates import default_models
from .contest import compare
from .result import Comparison, Row

__all__ = ["Comparison", "Row", "compare", "default_models"]
