"""Helpers for frames of Spark, under the name that today's scripts of the original import."""

from daskrec.utils import *  # noqa: F403
from daskrec.utils import __all__  # noqa: F401
