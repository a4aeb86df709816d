"""The core of exact top-k selection: threshold, buffer, sort.

Every function ranks by one order: score descending, then item code ascending. Minus infinity
marks a masked entry; it and NaN are never selected.

The method: a threshold that at least k scores are known to reach rejects whole blocks of
scores with vector compares; what survives is appended to a small buffer in item order, and
only the buffer is ever sorted. The first threshold of a row is about the k-th largest of the
maxima of disjoint groups of its scores (k groups reach it, so k scores do).
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Ranked: TypeAlias = tuple[Int32s, Floats, Int32s]

BLOCK = 64  # scores rejected by one test: a few vector registers
CHUNK = 128  # sorted by counting ranks; longer runs are merged from such chunks


@kernel()
def buffer_size(k: int) -> int:
    """Return the length of the buffers that ``rank_row`` needs."""
    return 2 * k + 4 * BLOCK


def empty_ranked(rows: int, k: int, dtype: Any) -> Ranked:
    """Allocate an empty running top-k: items, scores and counts."""
    scores = np.full((rows, k), -np.inf, dtype)
    return np.zeros((rows, k), np.int32), scores, np.zeros(rows, np.int32)


@kernel()
def _reaching(values: Floats, n: int, bound: Any) -> Any:
    """Count the scores among ``values[:n]`` that reach ``bound``."""
    count = np.int32(0)
    for j in range(n):
        count = np.int32(count + (values[j] >= bound))
    return count


@kernel()
def _bisect(values: Floats, n: int, k: int, slack: int) -> Any:
    """Return a bound that k to k + ``slack`` of ``values[:n]`` reach, or at least k.

    Bisection between the extremes by vector counts: each step costs n / 16 operations and
    no mispredicted branch. Ties or extreme outliers may leave more than k + slack.
    """
    kind = values.dtype.type  # constants of the same type keep the vectors of floats narrow
    lowest, half = kind(np.finfo(values.dtype).min), kind(0.5)
    low, high = kind(np.inf), kind(-np.inf)
    for j in range(n):
        x = values[j]
        high = x if x > high else high
        masked = not x > -np.inf
        low = low if masked or x >= low else x
    if _reaching(values, n, low) < k or not high < np.inf:
        return lowest
    for _ in range(32):
        middle = low * half + high * half
        if not low < middle < high:
            break
        count = _reaching(values, n, middle)
        if count < k:
            high = middle
        else:
            low = middle
            if count <= k + slack:
                break
    return low


@kernel()
def kth_largest(work: Floats, n: int, k: int) -> Any:
    """Return the k-th largest (1-based) of ``work[:n]``; reorders ``work``.

    Hoare's quickselect with a median-of-three pivot, expected O(n), ties included.
    """
    low, high, target = 0, n - 1, k - 1
    while low < high:
        a, b, c = work[low], work[(low + high) // 2], work[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while work[i] > pivot:
                i += 1
            while work[j] < pivot:
                j -= 1
            if i <= j:
                work[i], work[j] = work[j], work[i]
                i += 1
                j -= 1
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            break
    return work[target]


@kernel()
def keep_best(buf_s: Floats, buf_i: Int32s, n: int, k: int, work: Floats) -> Any:
    """Keep the k best of n > k buffered pairs, in their order; return a bound for later ones.

    Among equal scores the first in the buffer stay, which are the lowest items.
    """
    exact: Any = np.int64(0)
    bound = _bisect(buf_s, n, k, exact)
    ties = n
    if _reaching(buf_s, n, bound) != k:
        for j in range(n):
            work[j] = buf_s[j]
        bound = kth_largest(work, n, k)
        ties = k
        for j in range(n):
            ties -= buf_s[j] > bound
    kept = 0
    for j in range(n):
        score, item = buf_s[j], buf_i[j]
        keep = score > bound or (score == bound and ties > 0)
        ties -= score == bound
        buf_s[kept] = score
        buf_i[kept] = item
        kept += keep
    return bound


@kernel()
def _rank_chunk(src_s: Floats, src_i: Int32s, dst_s: Floats, dst_i: Int32s) -> None:
    """Sort one chunk, stably and descending, by counting for each score those above it.

    Quadratic, but all vector compares and no mispredicted branch: faster here than any
    comparison sort.
    """
    n = src_s.size
    padded = np.empty(CHUNK, src_s.dtype)
    above, taken = np.zeros(CHUNK, np.int32), np.zeros(CHUNK, np.int32)
    for j in range(CHUNK):
        padded[j] = src_s[j] if j < n else -np.inf
    for i in range(n):
        score = padded[i]
        for j in range(CHUNK):
            above[j] += score > padded[j]
    for j in range(n):
        place = above[j] + taken[above[j]]
        taken[above[j]] += 1
        dst_s[place] = src_s[j]
        dst_i[place] = src_i[j]


@kernel()
def merge_runs(
    a_s: Floats, a_i: Int32s, b_s: Floats, b_i: Int32s, out_s: Floats, out_i: Int32s
) -> None:
    """Merge two descending runs until ``out`` is full; on equal scores the first run leads."""
    i, j = 0, 0
    for place in range(min(out_s.size, a_s.size + b_s.size)):
        if i < a_s.size and (j >= b_s.size or a_s[i] >= b_s[j]):
            out_s[place], out_i[place] = a_s[i], a_i[i]
            i += 1
        else:
            out_s[place], out_i[place] = b_s[j], b_i[j]
            j += 1


@kernel()
def sort_best(buf_s: Floats, buf_i: Int32s, n: int, tmp_s: Floats, tmp_i: Int32s) -> None:
    """Sort ``n`` buffered pairs by score descending, stably; ``tmp`` is as long as ``buf``."""
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        _rank_chunk(buf_s[start:stop], buf_i[start:stop], tmp_s[start:stop], tmp_i[start:stop])
    run, in_tmp = CHUNK, True
    while run < n:
        if in_tmp:
            src_s, src_i, dst_s, dst_i = tmp_s, tmp_i, buf_s, buf_i
        else:
            src_s, src_i, dst_s, dst_i = buf_s, buf_i, tmp_s, tmp_i
        for start in range(0, n, 2 * run):
            mid, stop = min(start + run, n), min(start + 2 * run, n)
            merge_runs(
                src_s[start:mid], src_i[start:mid], src_s[mid:stop], src_i[mid:stop],
                dst_s[start:stop], dst_i[start:stop],
            )  # fmt: skip
        in_tmp = not in_tmp
        run *= 2
    if in_tmp:
        for j in range(n):
            buf_s[j], buf_i[j] = tmp_s[j], tmp_i[j]


@kernel()
def first_bound(row: Floats, k: int, groups: Floats) -> Any:
    """Return a value that at least k scores of ``row`` reach, or minus infinity.

    Groups are interleaved (score j belongs to group j modulo their number), so their maxima
    are plain vector maxima. Four groups a wanted score make the bound tight.
    """
    width = row.size
    n_groups = 64
    while n_groups < 4 * k and 2 * n_groups <= groups.size:
        n_groups *= 2
    if n_groups < k or width < n_groups + k:
        return row.dtype.type(np.finfo(row.dtype).min)
    top = groups[:n_groups]
    top[:] = -np.inf
    for base in range(0, width - n_groups + 1, n_groups):
        part = row[base : base + n_groups]
        for q in range(n_groups):
            top[q] = part[q] if part[q] > top[q] else top[q]
    return _bisect(top, n_groups, k, k // 8)


@kernel()
def collect(
    row: Floats, first_item: Any, bound: Any, k: int, buf_s: Floats, buf_i: Int32s, work: Floats
) -> Any:
    """Append to the empty buffer the scores of ``row`` that may be among its k best.

    ``bound`` is the least score worth keeping; the buffer holds at least 2 k + 2 BLOCK.
    Returns the number of pairs, in item order, the k best of the row among them.
    """
    width = row.size
    limit = buf_s.size - BLOCK
    n: Any = np.int64(0)  # not a literal, which would compile callees twice
    for base in range(0, width, BLOCK):
        part = row[base : min(base + BLOCK, width)]
        if part.size == BLOCK:
            hits = np.int32(0)
            for q in range(BLOCK):
                hits = np.int32(hits + (part[q] >= bound))
            if hits == 0:
                continue
        for q in range(part.size):
            buf_s[n] = part[q]
            buf_i[n] = first_item + base + q
            n += part[q] >= bound
        if n > limit:
            bound = max(bound, keep_best(buf_s, buf_i, n, k, work))
            n = k
    return n


@kernel()
def rank_row(
    row: Floats, first_item: Any, bound: Any, k: int,
    buf_s: Floats, buf_i: Int32s, tmp_s: Floats, tmp_i: Int32s,
) -> Any:  # fmt: skip
    """Put the sorted scores of ``row`` that reach ``bound`` in the buffer; return their number.

    The first k of them are the k best; there may be a few more. All four buffers have
    ``buffer_size(k)`` entries.
    """
    n = collect(row, first_item, bound, k, buf_s, buf_i, tmp_s)
    if n > max(k, CHUNK):
        keep_best(buf_s, buf_i, n, k, tmp_s)
        n = k
    sort_best(buf_s, buf_i, n, tmp_s, tmp_i)
    return n
