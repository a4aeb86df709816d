"""The errors that daskrec raises besides the built-in ones.

Each is also the built-in error that callers would catch: a fault of the input is a
``ValueError``, a missing optional part an ``ImportError``.
"""

import sys
import warnings


class LogError(ValueError):
    """A log, or another frame that was handed in, cannot be used as it is."""


class EmptyLogError(LogError):
    """A log has no rows, so that there is nothing to learn from."""


class NotFittedError(ValueError, AttributeError):
    """A method that needs a fitted model was called before ``fit``.

    It is a ``ValueError`` and an ``AttributeError``, as scikit-learn's error of this name.
    """


class FormatError(ValueError):
    """A folder does not hold a model that this version can read."""


class StorageError(RuntimeError):
    """Workers on several hosts share no folder that ``daskrec.storage-path`` names."""


def warn_caller(message: str) -> None:
    """Warn at the line of the user's code that led here."""
    frame = sys._getframe(1)
    level = 2
    # A decorator that is a context (``data.once``) has a frame of contextlib's between ours.
    ours = ("daskrec", "contextlib")
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(ours):
        frame = frame.f_back
        level += 1
    warnings.warn(message, UserWarning, stacklevel=level)
