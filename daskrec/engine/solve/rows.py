"""The least-squares rows of ALS: exact solutions, conjugate gradients and the loss.

With the other side's factors Y fixed, row u of a block minimises a quadratic function whose
solution is

    (G + sum_i w_ui y_i y_i^T + lambda_u I) x_u = sum_i t_ui y_i

over the entries i of the row. Implicit feedback (Y. Hu, Y. Koren and C. Volinsky,
"Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, with the treatment of
negative relevance of Spark): G = Y^T Y, w = alpha |r|, t = 1 + w where r > 0 and 0 elsewhere.
Explicit feedback: G = 0, w = 1, t = r. Weights are computed entry by entry.

The functions take a block of rows as CSR arrays: `indptr` (int64, one more than rows, its
first value need not be 0), `indices` (int32) and `values` (float32). They run on the calling
thread without the interpreter lock, except for `gramian` and `rotate`, whose products are
those of numpy's BLAS.
"""

from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.solve.direct import (
    Entries,
    Rotated,
    exact_rows,
    make_space,
    pack,
)
from daskrec.engine.solve.iterative import cg_rows, make_cg_space
from daskrec.engine.solve.simd import T
from daskrec.engine.solve.tiles import aligned

# Rows whose products are summed in float32 before they join the float64 sum.
_CHUNK = 4096
# Part of the mean diagonal element that is added to the diagonal of a singular matrix.
_JITTER = 1e-9


def gramian(factors: Vector) -> Vector:
    """Return Y^T Y.

    Parameters
    ----------
    factors
        Y, float32 of shape (m, d).

    Returns
    -------
    ndarray
        float64 of shape (d, d). Rows are multiplied in float32 by chunks and the chunks are
        summed in float64, so that the error does not grow with m. Cost: m d^2 / 2
        multiply-adds.
    """
    return _gram(factors, np.float32)


def _gram(factors: Vector, kind: type[np.floating[Any]]) -> Vector:
    """Sum the products of chunks of rows, each computed in one precision, in float64."""
    total = np.zeros((factors.shape[1], factors.shape[1]))
    for start in range(0, factors.shape[0], _CHUNK):
        chunk = factors[start : start + _CHUNK].astype(kind, copy=False)
        total += chunk.T @ chunk
    return total


def rotate(factors: Vector, gram: Vector) -> Rotated:
    """Express the fixed factors in the eigenvectors of G, for the short rows of `solve_exact`.

    Parameters
    ----------
    factors
        Y, float32 of shape (m, d).
    gram
        G of shape (d, d): Y^T Y or zeros.

    Returns
    -------
    Rotated
        What the `rotated` of `solve_exact` takes. It holds a copy of Y (none where G is zero
        and d is a multiple of the tile) and serves every block of a half-step. Cost: m d^2
        multiply-adds and the eigenvectors of a d x d matrix.
    """
    count, width = factors.shape
    size = -(-width // T) * T
    spectrum, vectors = np.zeros(width), np.eye(width)
    turned = np.any(gram)
    if turned:
        spectrum, vectors = np.linalg.eigh(np.asarray(gram, dtype=np.float64))
    if not turned and size == width:
        flat = np.ascontiguousarray(factors).reshape(-1)
    else:
        flat = aligned(count * size)
        target = flat.reshape(count, size)[:, :width]
        basis = vectors.astype(np.float32)
        for start in range(0, count, _CHUNK):
            chunk = factors[start : start + _CHUNK]
            target[start : start + _CHUNK] = chunk @ basis if turned else chunk
    positive = np.maximum(spectrum, 0.0).astype(np.float32)
    back = aligned(size * size)
    pack(vectors.T, back)
    return Rotated(*(_frozen(array, np.float32) for array in (positive, back, flat)))


def _worth_rotating(indptr: Vector, count: int, width: int, turned: bool) -> bool:
    """Return whether the dual saves more multiply-adds on a block than the rotation costs."""
    length = np.diff(indptr).astype(np.float64)
    length = length[(length > 0) & (-(-length // T) < -(-width // T))]
    dual = length**2 * width / 2 + length**3 / 6 + width**2
    primal = length * width**2 / 2 + width**3 / 6
    # Eigenvectors take the time of some 30 d^3 multiply-adds.
    cost = count * width**2 + 30 * width**3 if turned else count * width
    return bool(np.sum(primal - dual) > cost)


def _frozen(array: Vector, kind: type[np.generic]) -> Vector:
    """Return a read-only view, so that kernels are compiled for one kind of arrays."""
    view = np.ascontiguousarray(array, dtype=kind).view()
    view.flags.writeable = False
    return view


def _entries(
    indptr: Vector,
    indices: Vector,
    values: Vector,
    regularization: Vector,
    alpha: float,
    implicit: bool,
) -> Entries:
    return Entries(
        indptr=_frozen(indptr, np.int64),
        indices=_frozen(indices, np.int32),
        values=_frozen(values, np.float32),
        regularization=_frozen(regularization, np.float32),
        alpha=np.float32(alpha),
        implicit=bool(implicit),
    )


def solve_exact(
    indptr: Vector,
    indices: Vector,
    values: Vector,
    factors: Vector,
    gram: Vector,
    regularization: Vector,
    *,
    alpha: float,
    implicit: bool,
    out: Vector,
    rotated: Rotated | None = None,
) -> None:
    """Solve every row of a block by Cholesky factorisation.

    Parameters
    ----------
    indptr, indices, values
        The block: n rows, entries at the absolute positions that `indptr` (int64) tells,
        columns ascending in a row (int32), relevances (float32).
    factors
        Y, float32 of shape (m, d), C-contiguous.
    gram
        G of shape (d, d): `gramian(factors)` for implicit feedback, zeros for explicit.
    regularization
        lambda of each row, float32 of shape (n,).
    alpha
        Weight of a unit of relevance; unused for explicit feedback.
    implicit
        Kind of feedback.
    out
        Receives the solutions, float32 of shape (n, d), C-contiguous. A row without entries
        (or, implicit, without a positive one) gets zeros.
    rotated
        `rotate(factors, gram)`, best made once per half-step. Without it, rows shorter than
        d are solved in the dual only where making it for this call pays; a row's solution then
        depends on the block it is in, by rounding errors.

    Notes
    -----
    Float32 throughout, the sums over entries in chunks. A row of n entries costs
    n d^2 / 2 + d^3 / 6 multiply-adds, or n^2 d / 2 + n^3 / 6 + d^2 where n < d. A matrix that is
    not safely positive definite in float32 is solved again in float64, with 1e-9 of its mean
    diagonal element on the diagonal: the solution of least norm, nearly, where lambda is zero
    and the row has too few entries. That path is slow.
    """
    entries = _entries(indptr, indices, values, regularization, alpha, implicit)
    width = factors.shape[1]
    if rotated is None:
        turned = bool(np.any(gram))
        if _worth_rotating(indptr, factors.shape[0], width, turned):
            rotated = rotate(factors, gram)
        else:
            rotated = Rotated(*[_frozen(np.zeros(0), np.float32)] * 3)
    failed = np.zeros(entries.indptr.size - 1, dtype=np.bool_)
    flat = _frozen(factors, np.float32).reshape(-1)
    exact_rows(entries, flat, width, rotated, make_space(gram), out, failed)
    for row in np.flatnonzero(failed):
        out[row] = _solve_double(entries, int(row), factors, gram)


def _solve_double(entries: Entries, row: int, factors: Vector, gram: Vector) -> Vector:
    """Solve one row in float64 with a jitter on the diagonal."""
    part = slice(entries.indptr[row], entries.indptr[row + 1])
    chosen = factors[entries.indices[part]].astype(np.float64)
    values = entries.values[part].astype(np.float64)
    weights, targets = np.ones_like(values), values
    if entries.implicit:
        weights = float(entries.alpha) * np.abs(values)
        targets = np.where(values > 0, 1.0 + weights, 0.0)
    matrix = gram + (chosen.T * weights) @ chosen
    diagonal = np.einsum("ii->i", matrix)
    diagonal += float(entries.regularization[row])
    mean = diagonal.mean()
    if not mean > 0:
        return np.zeros(factors.shape[1])
    diagonal += _JITTER * mean
    return np.asarray(np.linalg.solve(matrix, chosen.T @ targets))


def solve_cg(
    indptr: Vector,
    indices: Vector,
    values: Vector,
    factors: Vector,
    gram: Vector,
    regularization: Vector,
    *,
    alpha: float,
    implicit: bool,
    out: Vector,
    steps: int = 3,
) -> None:
    """Improve every row of a block by some steps of conjugate gradients.

    Parameters
    ----------
    indptr, indices, values, factors, gram, regularization, alpha, implicit
        As in `solve_exact`.
    out
        Holds the solutions to start from, float32 of shape (n, d), C-contiguous, and receives
        the new ones. A row without entries (or, implicit, without a positive one) gets zeros.
    steps
        Steps for each row; it stops earlier once the residual is 3e-7 of the first one.

    Notes
    -----
    A row of n entries costs (steps + 1) (2 n d + d^2) multiply-adds. After G. Takacs,
    I. Pilaszy and D. Tikk, "Applications of the Conjugate Gradient Method for Implicit
    Feedback Collaborative Filtering", RecSys 2011.
    """
    entries = _entries(indptr, indices, values, regularization, alpha, implicit)
    space = make_cg_space(gram, int(np.max(np.diff(entries.indptr), initial=0)))
    flat = _frozen(factors, np.float32).reshape(-1)
    cg_rows(entries, flat, factors.shape[1], space, out, steps)


@kernel()
def _loss(entries: Entries, solutions: Vector, factors: Vector) -> float:
    total = 0.0
    for row in range(entries.indptr.size - 1):
        square = 0.0
        for lane in range(solutions.shape[1]):
            square += np.float64(solutions[row, lane]) * solutions[row, lane]
        total += entries.regularization[row] * square
        for entry in range(entries.indptr[row], entries.indptr[row + 1]):
            column, value = entries.indices[entry], np.float64(entries.values[entry])
            score = 0.0
            for lane in range(solutions.shape[1]):
                score += np.float64(solutions[row, lane]) * factors[column, lane]
            if entries.implicit:
                weight = 1.0 + np.float64(entries.alpha) * abs(value)
                wanted = 1.0 if value > 0 else 0.0
                # The gramian counts the pair with weight 1 and target 0.
                total += weight * (wanted - score) ** 2 - score * score
            else:
                total += (value - score) ** 2
    return total


def objective(
    indptr: Vector,
    indices: Vector,
    values: Vector,
    solutions: Vector,
    factors: Vector,
    gram: Vector,
    regularization: Vector,
    *,
    alpha: float,
    implicit: bool,
) -> float:
    """Return the loss that the rows of a block minimise, regularisation of these rows included.

    Parameters
    ----------
    indptr, indices, values, factors, gram, regularization, alpha, implicit
        As in `solve_exact`.
    solutions
        X, float32 of shape (n, d).

    Returns
    -------
    float
        Implicit: the sum over all pairs of (1 + alpha |r|) (p - x.y)^2, p = 1 where r > 0 and
        0 elsewhere. Explicit: the sum over entries of (r - x.y)^2. To either the sum of
        lambda_u |x_u|^2 is added. Computed in float64; cost: nnz d + n d^2 multiply-adds.
    """
    entries = _entries(indptr, indices, values, regularization, alpha, implicit)
    total = float(_loss(entries, _frozen(solutions, np.float32), _frozen(factors, np.float32)))
    if implicit:
        total += float(np.sum(_gram(solutions, np.float64) * gram))
    return total
