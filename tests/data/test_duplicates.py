"""Duplicates: exact and re-encoded pictures are found, different ones are kept apart, and no group straddles folds."""

import io
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from kit.data import duplicates, folds
from kit.inputs import Images
from kit.storage import array_cache

ROWS, EXACT, ENCODED = 1000, 50, 50


def natural(n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """Random pictures with strong low and weak high frequencies and colours that go together, as photographs have."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :]) + 1 / side

    def smooth(channels: int) -> np.ndarray:
        field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, channels, side, side))) / frequency**1.5).real
        field -= field.mean(axis=(2, 3), keepdims=True)
        return field / field.std(axis=(2, 3), keepdims=True)

    pictures = (smooth(1) + 0.15 * smooth(3)) * rng.uniform(25, 60, (n, 1, 1, 1)) + rng.uniform(90, 160, (n, 3, 1, 1))
    return np.ascontiguousarray(pictures.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


def encoded(image: np.ndarray, how: int) -> np.ndarray:
    kind, quality = [("JPEG", 90), ("JPEG", 75), ("PNG", 0), ("WEBP", 80)][how % 4]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind, **({"quality": quality} if quality else {}))
    return np.asarray(Image.open(buffer).convert("RGB"))


@pytest.fixture(scope="module")
def doubled() -> tuple[np.ndarray, np.ndarray]:
    """Shuffled pictures, some of them twice, and for each the number of its original."""
    originals = natural(ROWS - EXACT - ENCODED)
    exact = originals[:EXACT]
    again = np.stack([encoded(image, i) for i, image in enumerate(originals[EXACT : EXACT + ENCODED])])
    which = np.concatenate([np.arange(len(originals)), np.arange(EXACT + ENCODED)])
    order = np.random.default_rng(1).permutation(ROWS)
    return np.concatenate([originals, exact, again])[order], which[order]


def test_duplicates_are_found_and_nothing_else(doubled: tuple[np.ndarray, np.ndarray]) -> None:
    images, original = doubled
    group = duplicates.groups(images)
    assert group.shape == (ROWS,)
    members = defaultdict(list)
    for row, number in enumerate(group):
        members[number].append(original[row])
    found = [rows for rows in members.values() if len(rows) > 1]
    assert all(len(set(rows)) == 1 for rows in found)
    assert len(found) >= 0.95 * (EXACT + ENCODED)


def test_no_pair_that_was_found_straddles_folds(doubled: tuple[np.ndarray, np.ndarray]) -> None:
    images, _ = doubled
    group = duplicates.groups(images)
    ids = [str(i) for i in range(ROWS)]
    fold = folds.make(ids, 5, strata=np.arange(ROWS) % 3, groups=group).fold
    assert all(len(set(fold[group == number])) == 1 for number in np.unique(group))
    assert np.ptp(np.bincount(fold)) <= 2
    order = np.random.default_rng(2).permutation(ROWS)
    again = folds.make([ids[i] for i in order], 5, strata=order % 3, groups=duplicates.groups(images[order])).fold
    assert np.array_equal(again, fold[order])


def test_grey_pictures_and_small_ones_are_compared_too() -> None:
    for images in (natural(60)[..., :1], natural(60, side=8)):
        group = duplicates.groups(np.concatenate([images, images[:7]]))
        assert len(np.unique(group)) == 60
        assert np.array_equal(group[60:], group[:7])


def test_blank_pictures_are_one_group_only_if_they_are_equal() -> None:
    shades = np.repeat(np.arange(100, 110, dtype=np.uint8), 2)
    blank = np.broadcast_to(shades[:, None, None, None], (20, 16, 16, 3)).copy()
    group = duplicates.groups(blank)
    assert len(np.unique(group)) == 10
    assert np.array_equal(group[::2], group[1::2])


def test_thousands_of_blank_pictures_take_no_more_than_their_number() -> None:
    """Pair by pair, these would take gigabytes."""
    blank = np.concatenate([np.full((40_000, 8, 8, 1), 255, np.uint8), natural(10, 8)[..., :1]])
    group = duplicates.groups(blank)
    assert len(np.unique(group[:40_000])) == 1
    assert len(np.unique(group)) == 11


def test_faint_drawings_on_white_are_kept_apart() -> None:
    drawings = np.full((30, 28, 28, 1), 255, np.uint8)
    for i, drawing in enumerate(drawings):
        drawing[3 + i // 5 * 3, 4 + i % 5 * 4] = 0  # one dot each
    assert len(np.unique(duplicates.groups(drawings))) == 30


def test_real_digits_are_alike_and_yet_all_different() -> None:
    digits = (load_digits().images * (255 / 16)).astype(np.uint8)[..., None]
    assert len(np.unique(duplicates.groups(digits))) == len(digits)


@pytest.mark.parametrize("side", [5, 16, 17, 33])
def test_thumbnails_are_area_means(side: int) -> None:
    images = natural(3, side=side)
    thumbs = duplicates.thumbnails(images)
    assert thumbs.shape == (3, min(side, 16) ** 2)
    assert np.allclose(thumbs.mean(axis=1), images.mean(axis=(1, 2, 3)), atol=1e-3)


def test_one_picture_alone_is_its_own_group() -> None:
    assert list(duplicates.groups(natural(1))) == [0]


def like_noise(n: int, copies: int) -> np.ndarray:
    """Pictures like noise, the last of them copies of the first, slightly changed."""
    rng = np.random.default_rng(0)
    contrast = rng.uniform(25, 60, (n, 1, 1, 1))
    pictures = 128 + contrast * rng.normal(size=(n, 16, 16, 1))
    pictures[n - copies :] = pictures[:copies] + contrast[:copies] * rng.normal(0, 0.05, (copies, 16, 16, 1))
    return pictures.clip(0, 255).astype(np.uint8)


def test_pictures_like_noise_have_the_groups_that_all_pairs_give(monkeypatch: pytest.MonkeyPatch) -> None:
    images = like_noise(4000, 400)
    thumbs = duplicates.thumbnails(images)
    every = {tuple(sorted(pair)) for pair in duplicates.near_pairs(thumbs).tolist()}
    monkeypatch.setattr(duplicates, "FEW", 0)
    monkeypatch.setattr(duplicates, "FEW_EACH", 0)
    sketched = {tuple(sorted(pair)) for pair in duplicates.near_pairs(thumbs).tolist()}
    assert sketched == every and len(every) > 390
    order = np.random.default_rng(1).permutation(len(images))
    group, again = duplicates.groups(images), duplicates.groups(images[order])
    assert len(np.unique(np.stack([group[order], again]), axis=1).T) == len(np.unique(group)) == len(np.unique(again))


def test_neighbours_that_are_compared_grow_with_the_pictures_and_no_faster() -> None:
    for images in (
        like_noise(4000, 10),
        np.repeat(like_noise(2, 0), 2000, axis=0),
    ):  # nothing alike; two pictures, again and again
        thumbs = duplicates.thumbnails(images)
        counts = [sum(map(len, duplicates._like_sketches(thumbs[:n]))) for n in (2000, 4000)]
        assert counts[1] <= min(4000 * duplicates.TABLES * duplicates.WINDOW, 3 * counts[0] + 4000)


def test_what_was_found_is_kept_with_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    images = like_noise(200, 20)

    def fill(array: np.ndarray) -> tuple[int, dict[str, str]]:
        array[:] = images
        return len(images), {}

    array, _ = array_cache.put("pictures", images.shape, fill, small=0)
    inputs = Images("{id}.png")
    first = inputs.twins(array)
    assert np.array_equal(first, duplicates.groups(images)) and len(np.unique(first)) == 180
    found = array_cache.get("pictures")
    assert found is not None
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "groups", lambda images: pytest.fail("looked for again"))
        assert np.array_equal(inputs.twins(found[0]), first)
    assert len(inputs.twins(array[:150])) == 150  # some of the rows: not what was kept
    kept = array_cache.folder()
    assert kept is not None
    for path in kept.glob("*-alike1.npy"):
        path.write_bytes(path.read_bytes()[:-9])
    assert np.array_equal(inputs.twins(array), first)
    assert np.array_equal(inputs.changed(alike=False).twins(array), duplicates.equal(images))
