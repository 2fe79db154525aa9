"""What a GPU needs and a CPU can show: averages without reads, pictures kept, Muon in batches, predictions in less memory."""

from __future__ import annotations

import copy
import gc

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from kit.config import Config
from kit.labels import OneOf
from kit.models import prediction, resident
from kit.models.images.image_module import ImageModule, pixel_statistics
from kit.models.net_module import Average
from kit.models.optimizers import muon, schedules

META = torch.device("meta")


def test_the_average_is_that_of_torch_and_goes_on_after_a_restart() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))

    def reference(mine: list[torch.Tensor], own: list[torch.Tensor], seen: torch.Tensor) -> None:
        if mine[0].is_floating_point():
            torch._foreach_lerp_(mine, own, 1 - min(0.9, (1 + float(seen)) / (10 + float(seen))))
        else:
            torch._foreach_copy_(mine, own)

    torchs = AveragedModel(net, multi_avg_fn=reference, use_buffers=True)
    ours: AveragedModel = Average(net, 0.9)
    for step in range(40):
        net(torch.randn(8, 1, 5, 5))
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p))
        if step == 20:
            saved = copy.deepcopy(ours.state_dict())
            ours = Average(net, 0.9)
            ours.load_state_dict(saved)
        torchs.update_parameters(net)
        ours.update_parameters(net)
    theirs = torchs.state_dict()
    assert theirs.keys() == ours.state_dict().keys()
    assert all(torch.equal(theirs[name], value) for name, value in ours.state_dict().items())


def test_a_plateau_stays_where_it_is_read() -> None:
    plateau = torch.nn.Sequential(schedules.Plateau()).to(META)
    assert all(value.device.type == "cpu" for value in plateau.state_dict().values())


def test_pictures_are_kept_as_long_as_somebody_has_them() -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    assert resident.keep(x, torch.device("cpu")) is None and resident.of(x, META) is None
    there = resident.keep(x, META)
    assert there is not None and there.shape == x.shape and resident.keep(x, META) is there and resident.of(x, META) is there
    assert resident.of(x.copy(), META) is None
    assert resident.keep(list(x), META) is None and resident.keep(x.astype(np.float32), META) is None
    del x
    gc.collect()
    assert not resident._kept


def test_pictures_that_need_too_much_of_the_memory_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((50, 4, 4, 3), np.uint8)
    monkeypatch.setattr(resident.devices, "free_memory", lambda device: 4 * x.nbytes - 1)
    assert resident.keep(x, META) is None


def test_rows_taken_from_what_is_kept_are_the_rows() -> None:
    x = torch.randint(0, 256, (20, 4, 5, 3), dtype=torch.uint8)
    index = torch.tensor([3, 19, 0, 3])
    rows = resident.rows(x, index)
    assert torch.equal(rows, x[index].permute(0, 3, 1, 2)) and rows.is_contiguous(memory_format=torch.channels_last)


def test_statistics_of_pixels_are_the_same_by_tensors() -> None:
    x = np.random.default_rng(1).integers(0, 256, (300, 6, 5, 3), dtype=np.uint8)
    rows = np.arange(0, 300, 2)
    for one, other in zip(pixel_statistics(x, rows), pixel_statistics(torch.from_numpy(x), rows), strict=True):
        assert np.array_equal(one, other)
    pixels = x[rows].reshape(-1, 3) / 255
    assert np.allclose(pixel_statistics(x, rows)[0], pixels.mean(axis=0)) and np.allclose(one, pixels.std(axis=0))


@pytest.mark.parametrize("shape", [(4, 24), (24, 4), (12, 24)])
def test_muon_makes_rows_orthogonal_one_by_one_and_together(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, *shape)
    together = muon.newton_schulz(x)
    assert torch.allclose(together, torch.stack([muon.newton_schulz(one) for one in x]), atol=1e-5)
    values = torch.linalg.svdvals(together)
    assert ((values > 0.3) & (values < 1.4)).all()  # about 1: three iterations


def test_predictions_go_on_with_fewer_rows_where_the_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(2).integers(0, 256, (70, 8, 8, 1), dtype=np.uint8)
    config = Config(width=4, devices="cpu", precision="fp32", layout="contiguous")
    labels = OneOf("label", ("a", "b"))
    module = ImageModule.of(config, labels, x, steps=1).eval()
    whole, sizes, healthy = prediction.predict(module, x, None, config), [], ImageModule.predict_step

    def short(self: ImageModule, batch: object, index: int = 0) -> torch.Tensor:
        sizes.append(len(batch))  # type: ignore[arg-type]
        if len(sizes) == 2 or sizes[-1] > 40:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return healthy(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageModule, "predict_step", short)
    assert np.allclose(prediction.predict(module, x, None, config), whole, atol=1e-6)
    assert sizes == [70, 35, 17, 17, 17, 17, 2]
    said = capsys.readouterr().err
    assert "CUDA out of memory. Tried to allocate 2.00 GiB.: predictions go on with 35 rows at a time" in said
    monkeypatch.setattr(ImageModule, "predict_step", lambda *rest: (_ for _ in ()).throw(torch.OutOfMemoryError("none")))
    with pytest.raises(torch.OutOfMemoryError):
        prediction.predict(module, x, None, config)
