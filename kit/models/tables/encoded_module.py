"""EncodedModule: what networks on a table's columns share: an encoding that the training fold teaches, and rows by it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding
from kit.models.graphs import tables
from kit.models.net_module import NetModule

TOGETHER = 1 << 15  # rows encoded together
SPANS = ((25, 75), (10, 90), (2, 98), (0, 100))  # the first in which a column's numbers differ is its unit


class EncodedModule(NetModule):
    """The network is made when the training fold is known, by `learn_columns` or from a checkpoint's `_extra_state`."""

    centre: torch.Tensor
    factor: torch.Tensor
    flagged: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], **facts: Any):
        super().__init__(config, labels, **facts)
        self.encoding: Encoding | None = None
        self._kept: tuple[Any, torch.device, dict[str, torch.Tensor]] | None = None

    def learn_columns(self, cells: Cells, rows: np.ndarray) -> None:
        """Kinds, categories and quantiles from the training rows; then the network that fits them."""
        encoding = Encoding.learn(cells, rows)
        centre, factor, flagged = np.zeros(encoding.width), np.zeros(encoding.width), np.zeros(encoding.width, bool)
        for j, x in enumerate(encoding.columns_of(cells, rows)):
            (centre[j],), (factor[j],) = units(x[:, None])
            flagged[j] = np.isnan(x).any()
        self.build_for(encoding, torch.from_numpy(flagged))
        self.centre.copy_(torch.from_numpy(centre))
        self.factor.copy_(torch.from_numpy(factor))

    def build_for(self, encoding: Encoding, flagged: torch.Tensor) -> None:
        """The network for tables of this encoding; a number of which some are missing is `flagged` (bool [width])."""
        self.encoding = encoding
        self.register_buffer("centre", torch.zeros(encoding.width, dtype=torch.float64))
        self.register_buffer("factor", torch.zeros(encoding.width, dtype=torch.float64))
        self.register_buffer("flagged", flagged)
        self.take(self.build_net(encoding.width, int(flagged.sum()), encoding.sizes))

    @abstractmethod
    def build_net(self, numbers: int, flags: int, sizes: list[int]) -> torch.nn.Module:
        """The network of scaled numbers [b, numbers], flags of missing ones [b, flags] and codes [b, len(sizes)]."""

    def get_extra_state(self) -> dict[str, Any]:
        return {"encoding": self.encoding.json() if self.encoding else None}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Nothing: `load_state_dict` needs it before."""

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """As torch's; makes the network first where there is none yet."""
        if self.encoding is None and state_dict["_extra_state"]["encoding"]:
            self.build_for(Encoding.from_json(state_dict["_extra_state"]["encoding"]), state_dict["flagged"])
        return super().load_state_dict(state_dict, *args, **kwargs)

    def encoded(self, cells: Cells) -> dict[str, torch.Tensor]:
        """A whole table as tensors (`z`, `missing`, `codes`) on the module's device; the last one is kept."""
        if self._kept is None or self._kept[0] is not cells or self._kept[1] != self.device:
            assert self.encoding is not None
            width, flagged = self.encoding.width, self.flagged.cpu()
            z, missing = torch.zeros(len(cells), width), torch.zeros(len(cells), int(flagged.sum()))
            codes = torch.zeros(len(cells), len(self.encoding.sizes), dtype=torch.int64)
            for start in range(0, len(cells), TOGETHER):
                some = slice(start, start + TOGETHER)
                numbers, own = map(torch.from_numpy, self.encoding.encode(cells, some))
                scaled = torch.nan_to_num((numbers - self.centre.cpu()) * self.factor.cpu(), nan=0.0)
                z[some], missing[some], codes[some] = tables.bent(scaled).float(), numbers.isnan()[:, flagged].float(), own
            parts = {"z": z, "missing": missing, "codes": codes}
            self._kept = (cells, self.device, {name: part.to(self.device) for name, part in parts.items()})
        return self._kept[2]

    def encoded_rows(self, cells: Cells, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Some rows [b] of what `encoded` gives."""
        return {name: part[rows.to(part.device)] for name, part in self.encoded(cells).items()}

    def finish(self) -> None:
        """The table need not be kept once the fit is over."""
        self._kept = None
        super().finish()

    def doubts(self, x: Cells, where: str) -> list[str]:
        """Cells that cannot be read, or that no training row has."""
        return [*self.encoding.odd(x, where), *self.encoding.new(x, where)] if self.encoding else []


def units(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and inverse span of every column [n, p]; 0 and 0 for a column that says nothing."""
    centre, factor = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
    for j in range(numbers.shape[1]):
        known = numbers[~np.isnan(numbers[:, j]), j]
        if len(known):
            centre[j] = np.median(known)
            ends = np.percentile(known, [end for span in SPANS for end in span]).reshape(-1, 2)
            spans = ends[:, 1] - ends[:, 0]
            factor[j] = 1 / spans[spans > 0][0] if (spans > 0).any() else 0.0
    return centre, factor
