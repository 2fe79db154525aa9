"""Batches: each row once an epoch, no batch of one, any position on as if from the start, and workers change nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kit.config import Config
from kit.errors import BadData, Usage
from kit.labels import Labels, Numbers, OneOf, Tags
from kit.metrics import accuracy
from kit.models.batch import Batch, Feed
from kit.models.images.image_module import ImageModule
from kit.training.datamodule import FoldData
from kit.training.fold import Fold
from kit.training.loaders import Batches
from kit.training.workers import WorkerBatches

CLASSES = OneOf("x", ("a", "b"))


def pictures(n: int, photos: bool = False) -> np.ndarray:
    """Those of `n` training rows and of others among them."""
    side, channels = (32, 3) if photos else (4, 1)
    return np.random.default_rng(0).integers(0, 256, (2 * n + 3, side, side, channels), dtype=np.uint8)


def feed(n: int, batch: int, seed: int = 0, fold: int = 0, kind: type[Batches] = Batches, **more: Any) -> Batches:
    photos = kind is WorkerBatches
    images, rows = pictures(n, photos), np.arange(n) * 2 + 1
    wanted = ImageModule.feed(images, Config(augment="photo" if photos else "none", batch=batch), n, mirror=True)
    return kind(wanted, np.arange(len(images)) * 10, rows, seed=seed, fold=fold, **more)


def rows_of(passed: list[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in passed]


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        (a.epoch, a.step, a.share, a.last) == (b.epoch, b.step, b.share, b.last)
        and all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("x", "y", "rows"))
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("kind", [Batches, WorkerBatches])
@pytest.mark.parametrize(("ranks", "parts"), [(2, 2), (2, 4), (3, 3)])
def test_ranks_have_the_parts_of_one_process_in_turn_and_step_at_the_same_ones(
    ranks: int, parts: int, kind: type[Batches]
) -> None:
    whole = feed(41, 13, kind=kind, accumulate=parts)
    shares = [feed(41, 13, kind=kind, accumulate=parts).shared(rank, ranks) for rank in range(ranks)]
    for share in shares:
        share.start = parts  # on from the second batch
    for epoch in range(2):
        expected = list(whole)[0 if epoch else parts :]
        passed = [list(share) for share in shares]
        assert rows_of([one for together in zip(*passed, strict=True) for one in together]) == rows_of(expected)
        steps = [sum(batch.last for batch in one) for one in passed]
        assert steps == [len(expected) // parts] * ranks
        assert [(share.epoch, share.start) for share in shares] == [(epoch + 1, 0)] * ranks
        assert [len(share) for share in shares] == [whole.steps // ranks] * ranks


def test_a_batch_that_is_too_small_for_the_ranks_is_refused() -> None:
    with pytest.raises(Usage, match="4 ranks: the batches are too small"):
        feed(40, 4, accumulate=4).shared(0, 4)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8, 16, 64])
def test_an_epoch_visits_each_row_once_in_even_batches_of_two_at_least(batch: int) -> None:
    for n in range(1, 41):
        one = feed(n, batch)
        for epoch in range(2):
            passed = list(one)
            sizes = [len(rows) for rows in rows_of(passed)]
            assert len(passed) == one.steps
            assert sorted(row for rows in rows_of(passed) for row in rows) == [
                1 + 2 * i for i in (range(n) if n > 1 else (0, 0))
            ]
            assert max(sizes) - min(sizes) <= 1
            assert min(sizes) >= 2
            assert max(sizes) <= max(batch + 1, 3)
            assert [(part.epoch, part.step) for part in passed] == [(epoch, step) for step in range(one.steps)]


def test_a_batch_holds_the_pictures_and_answers_of_its_rows() -> None:
    images = torch.from_numpy(pictures(10)).permute(0, 3, 1, 2)
    for batch in feed(10, 4):
        assert batch.x.dtype == torch.uint8
        assert batch.x.shape[1:] == (1, 4, 4)
        assert torch.equal(batch.y, batch.rows * 10)
        assert torch.equal(batch.x, images[batch.rows])


def test_the_order_depends_on_seed_fold_and_epoch() -> None:
    orders = {str(rows_of(list(feed(20, 4, seed, fold)))) for seed in range(5) for fold in range(-1, 4)}
    assert len(orders) == 25
    one = feed(20, 4)
    epochs = [rows_of(list(one)) for _ in range(5)]
    assert len({str(epoch) for epoch in epochs}) == 5
    assert rows_of(list(feed(20, 4))) == epochs[0]


@pytest.mark.parametrize(("kind", "n"), [(Batches, 23), (WorkerBatches, 9)])
def test_from_any_position_on_it_is_the_tail_of_a_full_pass(kind: type[Batches], n: int) -> None:
    whole = feed(n, 4, kind=kind)
    epochs = [list(whole) for _ in range(3)]
    for epoch in range(2):
        for start in range(whole.steps + 1):
            one = feed(n, 4, kind=kind)
            one.epoch, one.start = epoch, start
            assert equal(list(one), epochs[epoch][start:])
            assert (one.epoch, one.start) == (epoch + 1, 0)
            assert equal(list(one), epochs[epoch + 1])


@pytest.mark.parametrize(("kind", "n"), [(Batches, 10), (WorkerBatches, 9)])
def test_only_a_batch_that_is_handed_out_moves_it_on(kind: type[Batches], n: int) -> None:
    """Lightning asks for an iterator before it needs one, and for no batch after the last."""
    one, whole = feed(n, 4, kind=kind), list(feed(n, 4, kind=kind))
    iter(one)
    assert (one.epoch, one.start) == (0, 0)
    first = iter(one)
    assert equal([next(first)], whole[:1])
    assert (one.epoch, one.start) == (0, 1)
    iter(one)
    assert equal([next(first) for _ in whole[1:]], whole[1:])
    assert (one.epoch, one.start) == (1, 0)


@pytest.fixture(scope="module")
def alone() -> list[list[Batch]]:
    """Two epochs without workers."""
    one = feed(24, 5, kind=WorkerBatches)
    return [list(one), list(one)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # 4 workers on fewer cores
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_nothing(workers: int, alone: list[list[Batch]]) -> None:
    one = feed(24, 5, kind=WorkerBatches, workers=workers)
    assert equal(list(one), alone[0])
    assert equal(list(one), alone[1])


@pytest.mark.parametrize("batch", [2, 7, 24])
def test_the_size_of_a_batch_changes_no_picture(batch: int, alone: list[list[Batch]]) -> None:
    def by_row(passed: list[Batch]) -> dict[int, bytes]:
        return {int(row): x.numpy().tobytes() for part in passed for row, x in zip(part.rows, part.x, strict=True)}

    assert by_row(list(feed(24, batch, kind=WorkerBatches))) == by_row(alone[0])


def test_photographs_are_augmented_otherwise_in_every_epoch() -> None:
    one = feed(40, 10, kind=WorkerBatches)
    seen = [picture.numpy().tobytes() for _ in range(5) for batch in one for picture in batch.x]
    assert len(seen) == 200
    assert len(set(seen)) >= 0.99 * 200


def test_photographs_keep_shape_type_and_answers() -> None:
    for batch in feed(6, 3, kind=WorkerBatches):
        assert batch.x.shape == (3, 3, 32, 32)
        assert batch.x.dtype == torch.uint8
        assert torch.equal(batch.y, batch.rows * 10)


@pytest.mark.parametrize("kind", [Batches, WorkerBatches])
def test_a_pass_draws_nothing_from_the_global_generators(kind: type[Batches]) -> None:
    """Else dropout in an epoch that is resumed in its middle would differ from the undisturbed one."""
    torch.manual_seed(0)
    np.random.seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(feed(6, 3, kind=kind))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


@pytest.mark.parametrize("kind", [Batches, WorkerBatches])
def test_a_balanced_epoch_shows_each_stratum_equally_often_and_no_copy_as_another(kind: type[Batches]) -> None:
    strata = np.array([0] * 16 + [1] * 4)
    one = feed(20, 4, kind=kind, strata=strata)
    passed = list(one)
    rows = np.concatenate(rows_of(passed))
    assert np.bincount(strata[rows // 2]).tolist() == [10, 10] and len(passed) == one.steps == 5
    images = torch.from_numpy(pictures(20, kind is WorkerBatches)).permute(0, 3, 1, 2)
    keys = torch.cat([batch.keys for batch in passed if batch.keys is not None])
    assert len(keys.unique()) == 20 and (keys % len(images)).tolist() == rows.tolist()
    assert all(torch.equal(batch.y, batch.rows * 10) for batch in passed)
    if kind is Batches:
        assert all(torch.equal(batch.x, images[batch.rows]) for batch in passed)
    else:
        assert len({picture.numpy().tobytes() for batch in passed for picture in batch.x}) == 20
    tail = feed(20, 4, kind=kind, strata=strata)
    tail.start = 2
    assert equal(list(tail), passed[2:])


def test_texts_of_like_length_are_balanced_too() -> None:
    strata, lengths = np.array([0] * 16 + [1] * 4), np.arange(20) % 7
    wanted = Feed(lambda rows: rows, 4, lengths=lengths)
    passed = list(Batches(wanted, np.arange(20), np.arange(20), seed=0, fold=0, strata=strata))
    assert np.bincount(strata[np.concatenate([batch.x for batch in passed])]).tolist() == [10, 10]


def batches_of(images: np.ndarray, labels: Labels = CLASSES, **knobs: Any) -> Batches:
    """The batches of a fold of these pictures."""
    rows = np.arange(len(images))
    fold = Fold(
        name="fold", number=1, folder=Path("none"), x=images, y=np.zeros(len(images), int), train=rows, valid=rows[:0],
        config=Config(**knobs), labels=labels, metric=accuracy, mirror=True,
    )  # fmt: skip
    return FoldData(fold, module=ImageModule).train_dataloader()


def test_the_policy_chooses_the_feed_and_refuses_grey_photographs() -> None:
    grey, colour = np.zeros((4, 8, 8, 1), np.uint8), np.zeros((4, 8, 8, 3), np.uint8)
    photo = batches_of(colour, augment="photo", workers=2)
    assert isinstance(photo, WorkerBatches) and photo.workers == 2
    assert type(batches_of(grey, augment="heavy")) is Batches
    with pytest.raises(BadData, match="--augment photo"):
        batches_of(grey, augment="photo")


def test_strata_are_learned_from_the_training_rows_alone() -> None:
    y = np.array([[1, 0], [1, 0], [1, 1], [0, 0], [0, 1], [0, 1], [0, 1], [0, 1]], np.float32)
    fold = Fold(
        name="fold", number=0, folder=Path("none"), x=pictures(3)[:8], y=y, train=np.arange(4), valid=np.arange(4, 8),
        config=Config(balance=1), labels=Tags("x", ("a", "b")), metric=accuracy,
    )  # fmt: skip
    batches = FoldData(fold, module=ImageModule).train_dataloader()
    assert batches.strata is not None and batches.strata.tolist() == [0, 0, 1, -1]  # in all rows the rarer tag is a


def test_numbers_are_not_balanced() -> None:
    with pytest.raises(Usage, match="--balance: the answers are numbers"):
        batches_of(pictures(3), labels=Numbers(("v",)), balance=1)
