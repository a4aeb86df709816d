"""k-means: moments, samples and rounds that do not depend on the cut into blocks."""

import warnings

import numpy as np
import pytest

from daskrec.engine import kmeans
from daskrec.engine.kmeans import Frame, Moments, Sample
from daskrec.engine.runtime import tree_reduce

RNG = np.random.default_rng(0)
VALUES = RNG.normal([1e6, 0.0, -3.0], [1.0, 50.0, 1e-3], (1_000, 3))


def pieces(count: int) -> list[np.ndarray]:
    return np.array_split(VALUES, count)


def unmoved(width: int) -> Frame:
    return Frame(np.zeros(width), np.ones(width))


@pytest.mark.parametrize("count", [1, 3, 64, 1_500])  # the last has empty pieces
def test_moments_of_pieces_are_those_of_all(count: int) -> None:
    found = tree_reduce([Moments.of(piece) for piece in pieces(count)], Moments.merge)
    assert found.count == 1_000
    np.testing.assert_allclose(found.mean, VALUES.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.variance, VALUES.var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("value", [0.1, 1e9 + 1 / 3, 1e-30, 0.0])
def test_constant_columns_are_not_scaled(value: float) -> None:
    column = np.full((100_000, 1), value)
    parts = [Moments.of(part) for part in np.array_split(column, 7)]
    frame = Frame.of(tree_reduce(parts, Moments.merge), scaled=True)
    assert frame.scale.tolist() == [1.0]
    assert np.abs(frame.apply(column)).max() <= 1e-15 * value


def test_a_frame_centres_and_scales_whatever_the_unit() -> None:
    tiny = VALUES * 1e-25
    for values in (VALUES, tiny):
        moved = Frame.of(Moments.of(values), scaled=True).apply(values)
        np.testing.assert_allclose(moved.mean(axis=0), 0, atol=1e-8)
        np.testing.assert_allclose(moved.std(axis=0), 1, rtol=1e-8)
    plain = Frame.of(Moments.of(VALUES), scaled=False)
    assert plain.scale.tolist() == [1, 1, 1]


@pytest.mark.parametrize("count", [1, 7, 100])
def test_a_sample_depends_on_the_owners_alone(count: int) -> None:
    words = np.arange(1_000, dtype=np.uint64)
    limit = kmeans.key_limit(50, 1_000)
    drawn = [
        Sample.of(words[part], VALUES[part], 7, limit)
        for part in np.array_split(RNG.permutation(1_000), count)
    ]
    assert sum(len(part.keys) for part in drawn) < 150
    joined = Sample.join(drawn, 50)
    every = Sample.join([Sample.of(words, VALUES, 7, 2**64 - 1)], 50)
    np.testing.assert_array_equal(joined.values, every.values)
    assert len(joined.values) == 50
    other = Sample.join([Sample.of(words, VALUES, 8, 2**64 - 1)], 50)
    assert not np.array_equal(other.values, every.values)


def test_a_sample_of_all_leaves_nobody_out() -> None:
    limit = kmeans.key_limit(1_000, 1_000)
    assert limit == 2**64 - 1
    assert len(Sample.of(np.arange(1_000), VALUES, 1, limit).keys) == 1_000
    wide = kmeans.key_limit(16_384, 10**9) / 2.0**64 * 10**9
    assert 16_384 < wide < 17_500


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, 1_000])
@pytest.mark.parametrize("width", [1, 3, 20])
def test_each_row_goes_to_its_nearest_centre(rows: int, width: int) -> None:
    rng = np.random.default_rng(rows + width)
    values, centres = rng.normal(5, 2, (rows, width)), rng.normal(0, 1, (9, width))
    frame = Frame(rng.normal(5, 1, width), rng.uniform(0.5, 3, width))
    labels, sums, counts = kmeans.contribution(values, frame, centres)
    moved = (values - frame.mean) / frame.scale
    expected = ((moved[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert labels.dtype == np.int32
    assert labels.tolist() == expected.tolist()
    assert counts.tolist() == np.bincount(expected, minlength=9).tolist()
    for c in range(9):
        np.testing.assert_allclose(sums[c], moved[expected == c].sum(axis=0), atol=1e-9)


def test_of_equally_near_centres_the_first_is_taken() -> None:
    values = np.array([[0.0], [2.0], [-2.0]])
    labels, _, _ = kmeans.contribution(values, unmoved(1), np.array([[1.0], [-1.0], [1.0]]))
    assert labels.tolist() == [0, 0, 1]


def test_a_view_of_other_strides_serves() -> None:
    wide = np.asfortranarray(VALUES)
    frame = Frame.of(Moments.of(VALUES), scaled=True)
    centres = frame.apply(VALUES[:5])
    for view in (wide, VALUES[::1]):
        assert kmeans.contribution(view, frame, centres)[0][:5].tolist() == [0, 1, 2, 3, 4]


def test_a_centre_without_rows_stays() -> None:
    centres = np.array([[0.0], [10.0]])
    moved = kmeans.moved_centres(centres, (np.array([[6.0], [0.0]]), np.array([3, 0])))
    assert moved.tolist() == [[2.0], [10.0]]
    assert centres.tolist() == [[0.0], [10.0]]


def test_rounds_end_where_those_of_scikit_learn_do() -> None:
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (3_000, 4))
    start = values[:6]
    theirs = KMeans(6, init=start, n_init=1, tol=0, max_iter=500).fit(values)
    centres = start
    for _ in range(500):
        parts = [kmeans.contribution(p, unmoved(4), centres)[1:] for p in np.array_split(values, 9)]
        moved = kmeans.moved_centres(centres, tree_reduce(parts, kmeans.add))
        if np.array_equal(moved, centres):
            break
        centres = moved
    np.testing.assert_allclose(centres, theirs.cluster_centers_, atol=1e-9)


def test_first_centres_are_never_more_than_distinct_rows_and_silent() -> None:
    values = np.repeat([[0.0, 1.0], [5.0, 1.0]], 20, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        centres = kmeans.first_centres(values, 10, 0, 100, 1e-4)
        capped = kmeans.first_centres(VALUES, 20, 0, 1, 0.0)  # does not converge
    assert sorted(centres.tolist()) == [[0.0, 1.0], [5.0, 1.0]]
    assert capped.shape == (20, 3)


def test_a_seed_gives_one_start() -> None:
    first, again, other = (kmeans.first_centres(VALUES, 7, s, 50, 1e-4) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
