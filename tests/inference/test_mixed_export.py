"""Export of models of two parts: the graph of pictures, or of texts, and columns answers as the run does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_export import SLOW, exported, of_the_card
from test_mixed import BOTH, CONFIG, data, finished, loaded, rows_of  # noqa: F401

import kit
from kit.data import ngrams, text_embeddings
from kit.inference import export_parity
from kit.inference.loaded_run import load_run
from kit.labels import Numbers, OneOf
from kit.models import prediction, registry


def first_inputs(run: kit.Run, folder: Path) -> dict[str, np.ndarray]:
    """What the run's card leaves to its reader: the pictures, or the n-grams of the texts."""
    rows = export_parity.rows(load_run(run, folder), kit.Config(**run.info["config"])).x
    if run.info["config"]["model"] != "ngrams":
        return {"images": rows.first}
    bags = ngrams.bags(list(rows.first), 3)
    return {"grams": bags.columns.astype(np.int64), "offsets": bags.start[:-1].astype(np.int64)}


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
@pytest.mark.parametrize("form", [*SLOW[:3], "safetensors"])
def test_both_parts_go_into_one_graph(
    form: str,
    finished: tuple[str, kit.Run],  # noqa: F811
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, run = finished
    done = exported(run, form, tmp_path, data)
    assert done.difference < 1e-5 and float(done.stored) < 1e-4
    card = done.card.read_text()
    assert "`numbers` | float64 | [rows, 1]" in card
    assert ("uint8 | [rows, 12, 12, 3]" if kind == "pictures" else "kit.data.ngrams.bags(texts, 3)") in card
    if form == "safetensors":
        return
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test.csv").write_bytes((data / "test.csv").read_bytes())
    answers = of_the_card(done.card, form, **first_inputs(run, data))
    np.testing.assert_allclose(answers, run.test.to_numpy(), atol=1e-4)


@pytest.mark.parametrize("answer", [OneOf("sold", ("0", "1")), Numbers(("n",))])
@pytest.mark.parametrize("kind", BOTH)
def test_the_graph_knows_views_scales_and_cells_that_no_fold_has_seen(kind: str, answer: Any) -> None:
    x, table = loaded(kind, 40), rows_of("some", 40)
    x.table = type(x.table)(x.table.frame.assign(n=["", "x", "-1e300", *x.table.frame.n[3:]]))
    config = CONFIG[kind].changed(views=2, crop="ink") if kind == "pictures" else CONFIG[kind].changed(vectors=4)
    labels = answer.bind(table) if isinstance(answer, OneOf) else answer
    y = table.sold.to_numpy().copy() if isinstance(answer, OneOf) else (1000 + 50 * np.arange(40)[:, None]).astype(np.float32)
    if kind == "texts":
        x.vectors = text_embeddings.learn(x.first.bags(3), 3, 4, 0, print)
    models = []
    for seed, rows in enumerate((np.arange(8, 30), np.arange(5, 25))):
        torch.manual_seed(seed)
        module = registry.make(config, labels, x, steps=9)
        module.learn(x, rows, y)
        for part in module.net.modules():
            if isinstance(part, torch.nn.Linear):
                torch.nn.init.normal_(part.weight, std=0.1)
        module.average_anew()
        module.vectors = None if kind == "pictures" else x.vectors
        module.finish()
        models.append(module.eval())
    graph = type(models[0]).graph(models, [1.0, 2.0])
    with torch.no_grad():
        got = graph(*graph.first.inputs(x, np.arange(40))).numpy()
    own = np.average([prediction.predict(model, x, None, config) for model in models], axis=0, weights=[1, 2])
    assert own.std(axis=0).min() > 0
    np.testing.assert_allclose(got / own.std(axis=0), own / own.std(axis=0), atol=2e-5)
