"""The least-squares rows of ALS.

``rows.py`` is the way in; ``direct.py`` and ``iterative.py`` hold the two methods, on the
tiles of ``tiles.py`` and ``cholesky.py``; ``simd.py`` writes their vector instructions.
"""

from daskrec.engine.solve.direct import Rotated
from daskrec.engine.solve.rows import gramian, objective, rotate, solve_cg, solve_exact

__all__ = ["Rotated", "gramian", "objective", "rotate", "solve_cg", "solve_exact"]
