"""Huffman trees: items as leaves, the frequent ones near the root.

D. A. Huffman, A method for the construction of minimum-redundancy codes, Proceedings of the
IRE 40(9), 1952; with counts in order, two queues do (J. van Leeuwen, ICALP 1976).
"""

from typing import NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel


class Tree(NamedTuple):
    """The way from the root to each leaf.

    Parameters
    ----------
    indptr
        int64, one longer than the leaves: where the way to each begins.
    nodes
        int32 inner nodes, numbered from 0; the root is the last.
    turns
        float32, 1 where the way goes on to the left child of the node, 0 for the right.
    """

    indptr: Vector
    nodes: Vector
    turns: Vector


NO_TREE = Tree(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))


def build_tree(counts: Vector) -> Tree:
    """Build the tree of some counts; equal ones are taken in the order of the leaves.

    Parameters
    ----------
    counts
        int64, one a leaf, above 0.

    Returns
    -------
    Tree
        With one inner node less than leaves. 8 bytes a node of a way: on average the entropy
        of the counts, and less than one more.

    Notes
    -----
    One sort of the counts.
    """
    order = np.argsort(counts, kind="stable")
    parents, turns = _join_nodes(counts[order].astype(np.int64))
    leaves = len(counts)
    depths = _depths(parents, leaves)
    lengths = np.empty(leaves, dtype=np.int64)
    lengths[order] = depths[:leaves]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    nodes = np.empty(indptr[-1], dtype=np.int32)
    ways = np.empty(indptr[-1], dtype=np.float32)
    _write_ways(parents, turns, order, indptr, nodes, ways)
    return Tree(indptr.astype(np.int64), nodes, ways)


@kernel()
def _join_nodes(counts: Vector) -> tuple[Vector, Vector]:
    """Join the two lightest nodes until one is left; return parents, and which child each is."""
    leaves = len(counts)
    size = 2 * leaves - 1
    weights = np.empty(size, np.int64)
    weights[:leaves] = counts
    parents = np.full(size, -1, np.int64)
    turns = np.zeros(size, np.float32)
    leaf, inner = 0, leaves
    for made in range(leaves, size):
        for side in range(2):
            # Inner nodes come in the order of their weights too.
            if leaf < leaves and (inner >= made or weights[leaf] <= weights[inner]):
                child = leaf
                leaf += 1
            else:
                child = inner
                inner += 1
            parents[child] = made
            turns[child] = np.float32(1 - side)
            weights[made] = weights[child] if side == 0 else weights[made] + weights[child]
    return parents, turns


@kernel()
def _depths(parents: Vector, leaves: int) -> Vector:
    depths = np.zeros(len(parents), np.int64)
    for node in range(len(parents) - 2, -1, -1):
        depths[node] = depths[parents[node]] + 1
    return depths


@kernel()
def _write_ways(
    parents: Vector, turns: Vector, order: Vector, indptr: Vector, nodes: Vector, ways: Vector
) -> None:
    leaves = len(order)
    for rank in range(leaves):
        node, place = rank, indptr[order[rank] + 1]
        while parents[node] >= 0:
            place -= 1
            nodes[place] = parents[node] - leaves
            ways[place] = turns[node]
            node = parents[node]
