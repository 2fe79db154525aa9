"""Transformers: what is read of a text, how batches are filled, and that fine-tuning keeps every promise of the kit."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from test_resume import same_results, stop_in
from test_text import ODD, reviews, sentences

import kit
from kit.cli.app import main
from kit.config import Config
from kit.data import tokenization
from kit.errors import BadData, Unreachable, Usage
from kit.inputs.text import Texts
from kit.labels import Columns, OneOf
from kit.models import families, networks, registry
from kit.models.texts.transformer_module import TransformerModule
from kit.training import checkpoints
from kit.training.callbacks import Snapshots
from kit.training.loaders import Batches

TEXTS, Y = sentences(96)
LONG = " ".join(f"word {i} was lovely" if i < 9 else "the film was long and bad" for i in range(40))
KNOBS = {
    "model": "tiny", "epochs": 2, "folds": 2, "batch": 16, "lr": 0.01, "head_lr": 1.0, "tokens": 24, "precision": "fp32",
    "quiet": True,
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random BERT and its tokenizer, as transformers saves them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    tokenization.quiet()
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    fast.normalizer, fast.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=list(marks.values()), show_progress=False)
    fast.train_from_iterator([*TEXTS.texts, LONG], trainer)
    fast.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    folder = tmp_path_factory.mktemp("tiny")
    PreTrainedTokenizerFast(tokenizer_object=fast, model_max_length=64, **marks).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        facts = BertConfig(
            vocab_size=fast.get_vocab_size(), hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=64,
        )  # fmt: skip
        BertForMaskedLM(facts).save_pretrained(folder)
    return folder


def made(tiny: Path, outputs: int = 1, **knobs: object) -> TransformerModule:
    config = Config().changed(**{"ema": 0.0, **{k: v for k, v in KNOBS.items() if k != "quiet"}, "weights": str(tiny), **knobs})
    labels = Columns(("good",)) if outputs == 1 else OneOf("x", tuple("abcde"[:outputs]))
    torch.manual_seed(0)
    return registry.make(config, labels, TEXTS, steps=10)


def batches(texts: Texts, y: np.ndarray, config: Config, accumulate: int = 1) -> Batches:
    """All rows of some texts, as they are trained on."""
    feed = TransformerModule.feed(texts, config, len(y))
    return Batches(feed, y, np.arange(len(y)), seed=0, fold=0, accumulate=accumulate)


def predicted(module: TransformerModule, texts: list[str]) -> torch.Tensor:
    with torch.inference_mode():
        return module.eval().predict_step(module.gather(Texts(texts), np.arange(len(texts))))


marks = st.tuples(st.lists(st.integers(1, 9), max_size=2), st.lists(st.integers(1, 9), max_size=2))


@given(marks, st.lists(st.lists(st.integers(10, 99), max_size=12), min_size=1, max_size=5), st.integers(8, 14), st.data())
def test_what_is_read_of_a_text_equals_a_slow_reference(
    marks: tuple, texts: list[list[int]], most: int, data: st.DataObject
) -> None:
    view = data.draw(st.sampled_from(tokenization.VIEWS))
    tokenizer = tokenization.Tokenizer("", tuple(marks[0]), tuple(marks[1]), 0, 64)
    every = tokenization.Tokens(
        tokenizer, np.r_[0, np.cumsum([len(one) for one in texts])], np.array([one for text in texts for one in text], np.int32)
    )
    rows = np.arange(len(texts))[::-1]
    ids, mask = every.batch(rows, most, view)
    room = most - len(marks[0]) - len(marks[1])
    half = -(-room // 2)
    for k, row in enumerate(rows):
        text = texts[row]
        if len(text) > room:
            text = {"head": text[:room], "tail": text[-room:], "head and tail": text[:half] + text[-(room - half) :]}[view]
        wanted = [*marks[0], *text, *marks[1]] or [0]
        assert ids[k][mask[k]].tolist() == wanted and not ids[k][len(wanted) :].any()
        assert every.lengths(most)[row] == len(wanted)
        assert every.long(rows, most)[k] == (len(texts[row]) > room)


def test_a_text_is_answered_alike_alone_and_among_others(tiny: Path) -> None:
    module = made(tiny, outputs=3, views=3)
    texts = [*ODD, LONG, *TEXTS.texts[:20]]
    together, alone = predicted(module, texts), torch.cat([predicted(module, [one]) for one in texts])
    assert torch.allclose(together, alone, atol=1e-6) and torch.isfinite(together).all()


def test_views_read_other_parts_of_long_texts_only(tiny: Path) -> None:
    one, three = (predicted(made(tiny, views=views), ["lovely film", LONG]) for views in (1, 3))
    assert one[0] == three[0] and one[1] != three[1]
    with pytest.raises(Usage, match="of a text there are 3: head and tail, head, tail"):
        made(tiny, views=4)


def test_batches_hold_every_row_once_and_little_to_fill_up(tiny: Path) -> None:
    texts = Texts([" ".join(["film"] * (1 + i % 37)) for i in range(301)])
    y, rows = np.zeros(301), np.arange(301)
    config = Config(model="tiny", weights=str(tiny), batch=8, tokens=64)
    feed = batches(texts, y, config)
    first, second = (list(feed) for _ in range(2))
    for epoch in (first, second):
        assert sorted(torch.cat([one.rows for one in epoch]).tolist()) == rows.tolist()
        masks = [one.x["attention_mask"] for one in epoch]
        assert sum(int(mask.sum()) for mask in masks) > 0.97 * sum(mask.numel() for mask in masks)
    assert [one.rows.tolist() for one in first] != [one.rows.tolist() for one in second]
    widths = [one.x["input_ids"].shape[1] for one in first]
    assert widths != sorted(widths)  # long and short batches alternate
    again = batches(texts, y, config)
    again.start = 5
    assert torch.equal(next(iter(again)).x["input_ids"], first[5].x["input_ids"])


@pytest.mark.parametrize("accumulate", [2, 3, 5])
def test_parts_of_a_batch_add_up_to_its_gradient(tiny: Path, accumulate: int) -> None:
    gradients = []
    for parts in (1, accumulate):
        module = made(tiny, gradient_checkpointing=0).eval()
        feed = batches(TEXTS, Y[:, None].astype(np.float32), module.config.changed(batch=19), accumulate=parts)
        assert feed.steps == 6 * feed.accumulate and feed.accumulate == parts
        whole = list(feed)[: feed.accumulate]
        assert [part.last for part in whole] == [False] * (parts - 1) + [True]
        for batch in whole:
            (module.training_step(batch, 0)["loss"] / feed.accumulate).backward()
        gradients.append(torch.cat([one.grad.flatten() for one in module.net.parameters() if one.grad is not None]))
    assert torch.allclose(*gradients, atol=1e-7)


def test_recomputed_activations_give_the_same_gradient(tiny: Path) -> None:
    gradients = []
    for again in (0, 1):
        module = made(tiny, gradient_checkpointing=again).train()
        torch.manual_seed(1)
        first = next(iter(batches(TEXTS, Y[:, None].astype(np.float32), module.config)))
        module.training_step(first, 0)["loss"].backward()
        gradients.append([one.grad for one in module.net.parameters() if one.grad is not None])
    assert len(gradients[0]) > 30 and all(torch.equal(one, two) for one, two in zip(*gradients, strict=True))


@pytest.mark.slow
def test_a_csv_is_fine_tuned_resumed_and_answers_without_its_weights(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews(tmp_path / "reviews.csv", 120)
    weights = tmp_path / "weights"
    shutil.copytree(tiny, weights)
    knobs = {**KNOBS, "text": "review", "target": "sentiment", "weights": str(weights), "epochs": 12, "accumulate": 2}
    whole = kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "whole", **knobs)
    assert whole.info["preset"] == "transformer" and whole.info["config"]["schedule"] == "linear"
    assert whole.scores["oof"] > 0.9 and whole.scores["extra"]["held_out"] > 0.9
    stop_in(monkeypatch, fold=1, step=3, fault=RuntimeError("cut"))
    with pytest.raises(RuntimeError, match="cut"):
        kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "cut", snapshot=0, **knobs)
    kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "cut", **knobs)
    assert same_results(tmp_path / "cut", whole.path)
    shutil.rmtree(weights)
    assert kit.predict(whole)[0].equals(whole.test)
    assert main(["predict", str(whole.path), "--text", "lovely", "--text", "awful film", "--json"]) == 0
    lovely, awful = json.loads(capsys.readouterr().out)["answers"]
    assert lovely["positive"] > 0.5 > awful["positive"]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["freeze", "gradual"])
def test_what_is_frozen_stays_to_the_bit(tiny: Path, tmp_path: Path, strategy: str) -> None:
    reviews(tmp_path / "reviews.csv")
    knobs = {**KNOBS, "text": "review", "target": "sentiment", "weights": str(tiny), "strategy": strategy, "unfreeze": 1}
    run = kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "run", **knobs)
    module = checkpoints.load_model(run.fold(0) / "model.ckpt")
    before = made(tiny, outputs=2)
    before.learn(TEXTS, np.arange(96), Y)
    old, new = before.net.state_dict(), module.net.state_dict()
    layers = networks.layers(module.net)
    assert len(layers) == 5  # embeddings, three blocks, the head with its pooler
    same = [all(torch.equal(old[name], new[name]) for name in layer) for layer in layers]
    assert same == {"freeze": [True] * 4 + [False], "gradual": [True] * 3 + [False] * 2}[strategy]


def test_layers_learn_at_their_own_rates(tiny: Path) -> None:
    groups = made(tiny, layer_decay=0.5).configure_optimizers()["optimizer"].param_groups
    assert sorted({group["initial_lr"] for group in groups}) == pytest.approx([0.01 * 0.5**i for i in (4, 3, 2, 1, 0)])


def test_the_pretrained_weights_are_loaded_but_for_the_head(tiny: Path) -> None:
    from safetensors.torch import load_file

    held = load_file(tiny / "model.safetensors")
    module = made(tiny)
    drawn = {name: one.clone() for name, one in module.net.state_dict().items()}
    module.learn(TEXTS, np.arange(96), Y[:, None])
    after, layers = module.net.state_dict(), networks.layers(module.net)
    assert all(torch.equal(after[name], held[name]) for layer in layers[:-1] for name in layer)
    assert all(torch.equal(after[name], drawn[name]) for name in layers[-1])


def test_another_runs_backbone_is_taken(tiny: Path) -> None:
    source, module = made(tiny, ema=0.9, lr=0.1), made(tiny, outputs=4)
    for one in source.averaged.module.parameters():
        one.data.fill_(0.25)
    module.adopt(source)
    assert all((one == 0.25).all() for name, one in module.net.named_parameters() if "encoder" in name)
    assert not (module.net.classifier.weight == 0.25).any()
    bags = registry.make(Config(model="ngrams"), Columns(("good",)), TEXTS, steps=1)
    with pytest.raises(Usage, match="no backbone"):
        bags.adopt(module)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_it_learns_in_every_precision(tiny: Path, precision: str, tmp_path: Path) -> None:
    reviews(tmp_path / "reviews.csv", 120)
    knobs = {**KNOBS, "text": "review", "target": "sentiment", "weights": str(tiny), "precision": precision, "ema": 0.9}
    run = kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "run", **{**knobs, "epochs": 12, "label_smoothing": 0.1})
    assert run.scores["oof"] > 0.85
    assert run.info["precision"] == precision and run.info["layout"] == "contiguous"


def test_odd_texts_are_tokens_too(tiny: Path) -> None:
    tokenizer, _ = tokenization.load("tiny", str(tiny))
    every = tokenizer.tokens(Texts([*ODD, "\ud800 broken", "word " * 200_000]))
    assert len(every.start) == len(ODD) + 3 and every.lengths(64).max() == 64
    assert tokenization.from_json(json.loads(json.dumps(tokenizer.json()))) == tokenizer
    assert every.batch(np.arange(len(ODD)), 64)[0].max() < 150


class Boom:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


def broken(tiny: Path, folder: Path, fault: str) -> Path:
    """A copy of the model with something wrong."""
    shutil.copytree(tiny, folder)
    weights = folder / "model.safetensors"
    if fault == "pickled":
        weights.unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Boom()))
    elif fault == "cut":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif fault == "none":
        weights.unlink()
    elif fault == "NaN":
        from safetensors.torch import load_file, save_file

        state = load_file(weights)
        next(iter(state.values())).fill_(float("nan"))
        save_file(state, weights, {"format": "pt"})
    elif fault == "folder":
        (folder / "config.json").unlink()
    elif fault == "tokenizer":
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").unlink()
    elif fault == "config":
        (folder / "config.json").write_text('{"model_type": "no such"}')
    elif fault == "code":
        known = json.loads((folder / "config.json").read_text())
        own = {"AutoConfig": "own.Own", "AutoModelForSequenceClassification": "own.Own"}
        (folder / "config.json").write_text(json.dumps({**known, "model_type": "own", "auto_map": own}))
        (folder / "own.py").write_text("from pathlib import Path\nPath('executed').touch()\n")
    elif fault == "deeper":
        known = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**known, "num_hidden_layers": 6}))
    return folder


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("pickled", BadData, "weights cannot be read from it safely"),
        ("cut", BadData, "weights cannot be read from it safely"),
        ("none", BadData, "weights cannot be read from it safely"),
        ("tokenizer", BadData, "a tokenizer of 5 words for a model of"),
        ("config", BadData, "a model and tokenizer cannot be read from it safely"),
        ("code", BadData, "a model and tokenizer cannot be read from it safely"),
        ("deeper", Usage, "holds .* of .* weights of tiny: another model's"),
        ("NaN", BadData, "NaN or infinity in 'bert.*from a fit that diverged"),
        ("folder", Usage, "no folder with a model's config.json"),
    ],
)
def test_a_bad_folder_is_refused_and_nothing_in_it_is_executed(
    tiny: Path, tmp_path: Path, fault: str, error: type, words: str
) -> None:
    folder = broken(tiny, tmp_path / "bad", fault)
    with pytest.raises(error, match=words) as raised:
        made(folder).learn(TEXTS, np.arange(96), Y[:, None])
    assert len(str(raised.value).splitlines()) <= 3
    with pytest.raises(error, match=words):  # a run asks before it reads any row
        TransformerModule.remarks(Config(model="tiny", weights=str(folder)), 0)
    assert not Path("executed").exists()


def test_marks_are_told_from_what_a_saved_tokenizer_fills_up_with(tiny: Path, tmp_path: Path) -> None:
    """As sentence-transformers save theirs: with all texts filled up to one length."""
    from tokenizers import Tokenizer

    shutil.copytree(tiny, tmp_path / "padded")
    fast = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    fast.enable_padding(length=48)
    fast.enable_truncation(48)
    fast.save(str(tmp_path / "padded" / "tokenizer.json"))
    plain, padded = (tokenization.load("tiny", str(folder))[0] for folder in (tiny, tmp_path / "padded"))
    assert (padded.before, padded.after) == (plain.before, plain.after) == ((2,), (3,))
    words = [LONG, *TEXTS.texts[:3]]
    assert np.array_equal(plain.tokens(words).ids, padded.tokens(words).ids)


def test_weights_by_the_name_of_a_dataset_on_kaggle_are_those_of_its_folder(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_MOUNT", str(tmp_path))
    monkeypatch.setattr("kit.storage.weights.places.SMALLEST", 1_000)  # it is a tiny one
    shutil.copytree(tiny, tmp_path / "tiny-bert")
    states = [made(path, weights=name) for path, name in ((tiny, str(tiny)), (tiny, "tiny-bert"))]
    for module in states:
        module.learn(TEXTS, np.arange(96), Y[:, None])
    one, other = (module.net.state_dict() for module in states)
    assert all(torch.equal(one[name], other[name]) for name in one)
    (said,) = TransformerModule.remarks(Config(model="tiny", weights="tiny-bert"), 0)
    assert said.startswith("--weights tiny-bert: model.safetensors, ")


def test_a_hub_out_of_reach_says_what_to_attach(unreachable: None) -> None:
    with pytest.raises(Unreachable, match="Attach a dataset with the model"):
        tokenization.load("some-model-that-nobody-has", "")


def test_nets_of_pictures_and_a_missing_extra_are_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Usage, match="convnet reads pictures; texts take ngrams or a model of Hugging Face"):
        tokenization.load("convnet", "")
    with pytest.raises(Usage, match="ngrams has no pretrained weights; add --model"):
        registry.make(Config(model="ngrams", weights=str(tiny)), Columns(("good",)), TEXTS, steps=1)
    for name in ("kit.models.texts.transformer_module", "kit.data.tokenization"):
        monkeypatch.delitem(sys.modules, name)  # as they are not loaded yet
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(Usage, match=r"transformers is not installed: .* -m pip install 'kaggle-baseline-kit\[text\]'"):
        families.TRANSFORMER.load()


def test_it_stops_between_whole_batches_only(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reviews(tmp_path / "reviews.csv")
    knobs = {**KNOBS, "text": "review", "target": "sentiment", "weights": str(tiny), "epochs": 1, "snapshot": 0}
    saved: list[int] = []
    monkeypatch.setattr(Snapshots, "write", lambda self, trainer, module, epoch, step, done=0.0: saved.append(step))
    kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "run", accumulate=4, **knobs)
    assert saved and all(step % 4 == 0 for step in saved)
