"""TransformerModule: any sequence classifier of Hugging Face, fine-tuned on texts of like length at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from kit.config import Config
from kit.data import tokenization
from kit.errors import Usage
from kit.inputs.text import Texts
from kit.models import networks, state_dicts
from kit.models.batch import Batch, Feed
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.texts import Tokens, tokens_of
from kit.models.net_module import NetModule
from kit.models.texts.mean_pooled import MeanPooled
from kit.parts import NONE, Parts
from kit.storage import weights

ROWS = 1024  # rows sorted by length at a time when predicting
FORWARD = {"cpu": 1 << 12, "gpu": 1 << 16}  # tokens per forward pass
LOADED = 0.9  # share of the backbone's weights that a folder must hold; less is another model's


class TransformerModule(NetModule):
    """Trains on batches of token numbers, predicts probabilities or values.

    `architecture`: the configuration of the model (JSON); `tokenizer`: `kit.data.tokenization.Tokenizer` (JSON). A
    checkpoint holds both, so that prediction needs neither the hub nor the folder that the weights came from.
    """

    def __init__(
        self, config: dict[str, Any], labels: dict[str, Any], architecture: str, tokenizer: dict[str, Any], steps: int = 0
    ):
        super().__init__(config, labels, architecture=architecture, tokenizer=tokenizer, steps=steps)
        self.tokenizer = tokenization.from_json(tokenizer)
        net = build(architecture, len(self.labels.columns), self.tokenizer.pad)
        if self.config.strategy == "probe":
            net = MeanPooled(net, len(self.labels.columns))
        if self.config.gradient_checkpointing:
            networks.recompute(net, self.config.model)
        self.take(net)
        self.most = min(self.config.tokens, self.tokenizer.most)
        self.set_views(self.config.views)

    def set_views(self, count: int) -> None:
        """Average each prediction over so many views. Raises Usage for more than there are."""
        if count > len(tokenization.VIEWS):
            raise Usage(f"--views {count}: of a text there are {len(tokenization.VIEWS)}: {', '.join(tokenization.VIEWS)}.")
        self.views = tokenization.VIEWS[:count]

    def learn(self, texts: Texts, rows: np.ndarray, y: np.ndarray) -> None:
        """The pretrained weights, and the scaling of targets from the training fold. The head begins as it was drawn."""
        self.scale_targets(y[rows])
        own = self.net.state_dict()
        head = set(networks.head_names(self.net))
        loaded = pretrained(self.config, self.hparams["architecture"], len(self.labels.columns))
        self.net.load_state_dict({name: tensor if name in head else loaded[name] for name, tensor in own.items()})
        self.average_anew()

    @classmethod
    def facts(cls, x: Texts, config: Config, mirror: bool, parts: Parts) -> dict[str, Any]:
        """Architecture and tokenizer. Raises Usage for the kit's own nets of pictures."""
        tokenizer, architecture = tokenization.load(config.model, config.weights)
        return {"architecture": architecture, "tokenizer": tokenizer.json()}

    @classmethod
    def remarks(cls, config: Config, channels: int) -> list[str]:
        """On the weights of a folder: those of the hub are fetched when the first fold begins."""
        if config.weights in ("", weights.HUB):
            return []
        pretrained(config, tokenization.load(config.model, config.weights)[1], outputs=2)
        return weights.remarks(config.weights)

    @classmethod
    def feed(cls, x: Texts, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        """Token numbers and mask, texts of like length together."""
        tokenizer, _ = tokenization.load(config.model, config.weights)
        most, tokens = min(config.tokens, tokenizer.most), tokens_of(x, tokenizer)

        def collate(rows: np.ndarray) -> dict[str, torch.Tensor]:
            ids, mask = tokens.batch(rows, most)
            return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}

        return Feed(collate, config.batch, lengths=tokens.lengths(most))

    def logits(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """Token numbers (`input_ids`) and mask (`attention_mask`) [b, t] to the outputs of the net that trains."""
        return self.net(**x).logits.float()

    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """The same to predictions [b, c], by the averaged weights where there are any."""
        return self.answers(self.predictor(**x).logits.float())

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        """The first view's graph: the one that trained."""
        return Average([Tokens(model) for model in models], weights).eval()

    def rows_per_pass(self, device: str) -> int:
        return ROWS

    def gather(self, x: Texts, rows: np.ndarray) -> Batch:
        """All tokens of the texts, and which rows are meant."""
        return Batch(tokens_of(x, self.tokenizer), None, torch.from_numpy(rows))

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> torch.Tensor:
        """The mean prediction over the views [b, c]; a text that is read whole is read once."""
        parts = self.by_view(batch, self)
        long = torch.from_numpy(batch.x.long(batch.rows.numpy(), self.most)).to(parts.device)
        return torch.where(long[:, None], parts.mean(dim=0), parts[0])

    def by_view(self, batch: Batch, run: Callable[[dict[str, torch.Tensor]], torch.Tensor]) -> torch.Tensor:
        every, rows = batch.x, batch.rows.numpy()
        first = self._read(every, rows, self.views[0], run)
        parts, long = [first], np.flatnonzero(every.long(rows, self.most))
        for view in self.views[1:]:
            parts.append(first.clone())
            if len(long):
                parts[-1][long] = self._read(every, rows[long], view, run)
        return torch.stack(parts)

    def _read(
        self, every: tokenization.Tokens, rows: np.ndarray, view: str, run: Callable[[dict[str, torch.Tensor]], torch.Tensor]
    ) -> torch.Tensor:
        """What `run` gives for one view [b, …], the shortest texts first, as many at a time as FORWARD allows."""
        device = next(self.parameters()).device
        lengths = every.lengths(self.most)[rows]
        order = np.argsort(lengths, kind="stable")
        found, start = [], 0
        while start < len(order):
            ahead = lengths[order[start:]] * np.arange(1, len(order) - start + 1)
            stop = start + max(1, int(np.searchsorted(ahead, FORWARD[device.type if device.type == "cpu" else "gpu"])))
            some = order[start:stop]
            ids, mask = (torch.from_numpy(part).to(device) for part in every.batch(rows[some], self.most, view))
            found.append(run({"input_ids": ids, "attention_mask": mask}).float())
            start = stop
        return torch.cat(found)[torch.from_numpy(np.argsort(order)).to(device)]


def build(architecture: str, outputs: int, pad: int) -> Any:
    """The network that an architecture (JSON) describes, with weights drawn from the global generator."""
    tokenization.quiet()
    facts = AutoConfig.for_model(**_shape(architecture), num_labels=outputs)
    facts.pad_token_id = pad
    return AutoModelForSequenceClassification.from_config(facts, dtype=torch.float32)


def pretrained(config: Config, architecture: str, outputs: int) -> dict[str, torch.Tensor]:
    """The state of the network with the weights of `--weights`; tensors only, nothing in a file is executed.

    Raises BadData for files that cannot be read safely, Usage for another model's, Unreachable for a hub that is.
    """
    place = tokenization.location(config.model, config.weights)
    facts = AutoConfig.for_model(**_shape(architecture), num_labels=outputs)
    try:
        with torch.random.fork_rng(devices=[]):  # the head that it draws is not used
            net, report = AutoModelForSequenceClassification.from_pretrained(
                place, config=facts, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True,
                trust_remote_code=False,
            )  # fmt: skip
    except Exception as fault:  # whatever hub clients, safetensors and unpicklers raise
        raise tokenization.refusal(config.model, config.weights, "weights", fault) from fault
    backbone = [name for layer in networks.layers(net)[:-1] for name in layer]
    absent = set(report["missing_keys"]) | {name for name, *_ in report["mismatched_keys"]}
    held = sum(name not in absent for name in backbone)
    if held < LOADED * len(backbone):
        raise Usage(f"--weights {config.weights}: holds {held} of {len(backbone)} weights of {config.model}: another model's?")
    state = net.state_dict()
    state_dicts.refuse_broken(config.weights, {name: state[name] for name in state if name not in absent})
    return state


def _shape(architecture: str) -> dict[str, Any]:
    """What an architecture (JSON) says of the network, without what belongs to the answers of another competition."""
    known = json.loads(architecture)
    for name in ("id2label", "label2id", "num_labels", "dtype", "problem_type"):
        known.pop(name, None)
    return known
