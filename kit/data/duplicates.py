"""Duplicates: pictures that are the same but for their encoding, so that no fold trains on what it validates.

Loads scipy, so what `kit list` loads imports this file inside functions.
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

SIDE = 16  # pictures are compared as SIDE×SIDE thumbnails
NEAR = 4.0  # root mean square difference in grey levels (of 255); JPEG of quality 75 on 32×32 photographs: at most 3.4
CONTRAST = 0.15  # ... and at most this share of the picture's own contrast, so that blank pictures are not all one
AXES = 8  # principal axes by which neighbours are looked up


def groups(images: np.ndarray) -> np.ndarray:
    """A group number per picture (uint8 [n, h, w, c]); duplicates and near duplicates share one."""
    thumbs = thumbnails(images)
    same = equal(thumbs)  # first: thousands of blank pictures would make millions of pairs
    first = np.unique(same, return_index=True)[1]
    pairs = near_pairs(thumbs[first])
    return components(pairs[:, 0], pairs[:, 1], len(first))[same]


def components(left: np.ndarray, right: np.ndarray, count: int) -> np.ndarray:
    """The connected component of each of `count` rows, whose links join `left[i]` and `right[i]`."""
    links = coo_matrix((np.ones(len(left), bool), (left, right)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def equal(rows: np.ndarray) -> np.ndarray:
    """A group number per row; rows that are equal to the last bit share one."""
    return np.unique(digests(rows), return_inverse=True)[1]


def digests(rows: np.ndarray) -> np.ndarray:
    """A hash of 16 bytes per row: 50,000 pictures sort in a quarter of the time of their pixels, and one is read at a time."""
    hashes = (hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest() for row in rows)
    return np.fromiter(hashes, "V16", len(rows))


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Grey thumbnails float32 [n, at most SIDE²] by area means."""
    down, across = _area(images.shape[1]), _area(images.shape[2])
    parts = []
    for some in np.array_split(images, max(1, images.nbytes >> 26)):
        grey = some[..., 0].astype(np.float32)
        for channel in range(1, some.shape[3]):  # a fifth of the time of `mean`, and the same to the last bit
            grey += some[..., channel]
        grey /= some.shape[3]
        parts.append((down @ grey @ across.T).reshape(len(some), -1))
    return np.concatenate(parts)


def near_pairs(thumbs: np.ndarray) -> np.ndarray:
    """Pairs [m, 2] of rows that are as good as equal. Looked up along the axes on which pictures differ most."""
    centred = thumbs - thumbs.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    places = centred @ axes[:, -AXES:]
    width = np.sqrt(thumbs.shape[1])
    candidates = cKDTree(places).query_pairs(NEAR * width, output_type="ndarray")
    kept = []
    for some in np.array_split(candidates, len(candidates) // 100_000 + 1):
        gap = np.sqrt(((thumbs[some[:, 0]] - thumbs[some[:, 1]]) ** 2).mean(axis=1))
        contrast = np.minimum(thumbs[some[:, 0]].std(axis=1), thumbs[some[:, 1]].std(axis=1))
        kept.append(some[gap <= np.minimum(NEAR, CONTRAST * contrast)])
    return np.concatenate(kept)


def _area(length: int) -> np.ndarray:
    """The matrix [thumbnail, length] that takes area means."""
    side = min(SIDE, length)
    edges = np.linspace(0, length, side + 1)
    low, high = np.arange(length), np.arange(length) + 1
    overlap = np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None], low)
    return (np.maximum(overlap, 0) * side / length).astype(np.float32)
