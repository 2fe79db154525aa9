"""Duplicates: pictures that are the same but for their encoding, so that no fold trains on what it validates.

Loads scipy, so what `kit list` loads imports this file inside functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

SIDE = 16  # pictures are compared as SIDE×SIDE thumbnails
NEAR = 4.0  # root mean square difference in grey levels (of 255); JPEG of quality 75 on 32×32 photographs: at most 3.4
CONTRAST = 0.15  # ... and at most this share of the picture's own contrast, so that blank pictures are not all one
AXES = 8  # principal axes by which neighbours are looked up
PAIRS = 100_000  # compared together
SAMPLE = 2000  # pictures that tell how many neighbours all have; so many are always compared with all of theirs
FEW, FEW_EACH = 4_000_000, 16  # neighbours, in all or of each picture, that are compared in seconds
TABLES, WINDOW = 16, 8  # sketches of a picture; neighbours in the order of each that it is compared with
ROWS = 8192  # sketched together
VERSION = 1  # of what `groups` and `equal` find, which is kept with the pictures


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


def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Groups of rows that are linked by either grouping, over any number of links."""
    rows = np.arange(len(one))
    targets = np.concatenate([len(rows) + one, len(rows) + one.max() + 1 + other])
    return components(np.tile(rows, 2), targets, int(targets.max()) + 1)[: len(rows)]


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
    """Pairs [m, 2] of rows that are as good as equal: all of them, or nearly all where the pictures are like noise."""
    centred = thumbs - thumbs.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    places = centred @ axes[:, -AXES:]
    reach = NEAR * np.sqrt(thumbs.shape[1])
    contrast = thumbs.std(axis=1)
    if _crowded(places, reach):
        parts = list(_like_sketches(thumbs))
    else:  # looked up along the axes on which pictures differ most
        candidates = cKDTree(places).query_pairs(reach, output_type="ndarray")
        parts = np.array_split(candidates, len(candidates) // PAIRS + 1)
    return np.concatenate([_near(thumbs, contrast, some) for some in parts])


def _near(thumbs: np.ndarray, contrast: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Those of some pairs [m, 2] that are as good as equal."""
    kept = []
    for some in np.array_split(pairs, len(pairs) // PAIRS + 1):
        gap = np.sqrt(((thumbs[some[:, 0]] - thumbs[some[:, 1]]) ** 2).mean(axis=1))
        kept.append(some[gap <= np.minimum(NEAR, CONTRAST * contrast[some].min(axis=1))])
    return np.concatenate(kept)


def _crowded(places: np.ndarray, reach: float) -> bool:
    """Are there too many neighbours to look at all? Pictures like noise differ a little on every axis, and on none by much."""
    step = -(-len(places) // SAMPLE)
    if step == 1:
        return False
    some = places[::step]
    share = len(cKDTree(some).query_pairs(reach, output_type="ndarray")) / (len(some) * (len(some) - 1) / 2)
    return share * len(places) ** 2 / 2 > max(FEW, FEW_EACH * len(places))


def _like_sketches(thumbs: np.ndarray) -> Iterator[np.ndarray]:
    """Candidates, pairs [m, 2]: neighbours in the order of their sketches, 64 bits that are the sides of random planes.

    A near pair's angle is at most CONTRAST, seen from the pictures' own means, so a bit differs with a probability of at
    most CONTRAST / π. Of pairs at that very limit, one in 10,000 shares its first bits in none of the tables among 80,000
    pictures; of those that JPEG makes, none that was met. Whatever the pictures, a table gives each of them no more than
    WINDOW candidates.
    """
    planes = np.random.default_rng(0).normal(size=(thumbs.shape[1], 64 * TABLES)).astype(np.float32)
    sketches = np.empty((len(thumbs), TABLES), ">u8")
    for start in range(0, len(thumbs), ROWS):
        some = thumbs[start : start + ROWS]
        sides = (some - some.mean(axis=1, keepdims=True)) @ planes > 0
        sketches[start : start + ROWS] = np.packbits(sides, axis=1).view(">u8")
    shift = np.uint64(64 - len(thumbs).bit_length())  # first bits by which as many pictures could be told apart
    for table in sketches.T.astype(np.uint64):
        order = np.argsort(table, kind="stable")
        first = table[order] >> shift
        for apart in range(1, WINDOW + 1):
            places = np.flatnonzero(first[apart:] == first[:-apart])
            yield np.stack([order[places], order[places + apart]], axis=1)


def _area(length: int) -> np.ndarray:
    """The matrix [thumbnail, length] that takes area means."""
    side = min(SIDE, length)
    edges = np.linspace(0, length, side + 1)
    low, high = np.arange(length), np.arange(length) + 1
    overlap = np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None], low)
    return (np.maximum(overlap, 0) * side / length).astype(np.float32)
