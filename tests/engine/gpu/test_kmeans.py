"""A round of k-means on a device, against the CPU."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backends import DEVICES

from daskrec.engine import kmeans
from daskrec.engine.gpu.kmeans import contribution
from daskrec.engine.kmeans import Frame


@pytest.mark.parametrize("make", DEVICES)
@settings(max_examples=25, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 2, 100]),
    width=st.integers(1, 5),
    clusters=st.integers(1, 9),
    free=st.sampled_from([500, 20_000, 2**30]),
    seed=st.integers(0, 99),
)
def test_contributions_are_those_of_the_cpu(make, rows, width, clusters, free, seed):
    rng = np.random.default_rng(seed)
    values, centres = rng.normal(5, 2, (rows, width)), rng.normal(0, 1, (clusters, width))
    frame = Frame(rng.normal(5, 1, width), rng.uniform(0.5, 3, width))
    labels, sums, counts = contribution(make(free), np.asfortranarray(values), frame, centres)
    expected = kmeans.contribution(values, frame, centres)
    assert labels.dtype == np.int32
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_allclose(sums, expected[1], atol=1e-9)
    np.testing.assert_array_equal(counts, expected[2])


@pytest.mark.parametrize("make", DEVICES)
def test_of_equally_near_centres_the_first_is_taken(make):
    values = np.array([[0.0], [2.0], [-2.0]])
    frame = Frame(np.zeros(1), np.ones(1))
    labels, _, counts = contribution(make(), values, frame, np.array([[1.0], [-1.0], [1.0]]))
    assert labels.tolist() == [0, 0, 1]
    assert counts.tolist() == [2, 1, 0]
