"""One decorator for every compiled CPU kernel.

Kernels are serial and release the interpreter lock: parallelism comes from the tasks that
call them (blocks of users, ranges of items), never from threads inside a kernel, because
nested thread pools oversubscribe the machine and numba's default pool is not safe after a
fork.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be reordered (needed for SIMD reductions) and fused; infinities and NaN keep
# their meaning, because masks are written as minus infinity.
FAST = frozenset({"reassoc", "contract", "nsz", "arcp"})


def kernel(*, fast: bool = False, inline: bool = False) -> Callable[[F], F]:
    """Compile a function of arrays and numbers on its first call.

    Parameters
    ----------
    fast
        Allow reassociation of floating-point sums (SIMD reductions).
    inline
        Inline into calling kernels.

    Returns
    -------
    Callable
        A decorator. Machine code is cached beside the source, else in the user's cache
        folder, and not at all where neither can be written.
    """

    def decorate(function: F) -> F:
        options: dict[str, Any] = {
            "nogil": True,
            "error_model": "numpy",
            "fastmath": set(FAST) if fast else False,
            "inline": "always" if inline else "never",
        }
        try:
            return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # no folder for the cache can be written
            return numba.njit(**options)(function)  # type: ignore[no-any-return]

    return decorate
