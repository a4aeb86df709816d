"""Filters, under the name that today's scripts of the original import; see ``daskrec.filters``."""

from daskrec.filters import *  # noqa: F403
from daskrec.filters import __all__  # noqa: F401
