"""Text: hashed n-grams equal a slow reference, the model learns inside its fold alone, and no odd text is lost."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st

import kit
from kit import competition
from kit.cli.app import main
from kit.competition import synthetic
from kit.config import Config
from kit.data import folds, ngrams
from kit.data.texts import character_grams, text_statistics
from kit.inputs import Text
from kit.inputs.text import Texts
from kit.labels import Columns, Numbers, OneOf
from kit.models import registry
from kit.models.batch import Batch
from kit.models.texts import ngram_design, ngram_matrix, ngram_penalty
from kit.models.texts.ngram_design import Product
from kit.storage import frames
from kit.storage.tables import table_file
from kit.storage.tables.table_file import TableFormat
from kit.training import checkpoints

MASK = (1 << 64) - 1
ODD = ["", " ", "!?", "<br />", "a\0b", "Ünï çödé 🎬 film", "x" * 5000, "\x07\x1b[31m", "don't", "good good good"]


def mixed(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def slow(text: str, order: int) -> set[int]:
    """The columns of a text, token by token."""
    data = text.replace("<br />", " ").replace("\0", " ").lower().encode("utf-8", "replace")
    tokens = re.findall(rb"[0-9a-z_\x80-\xff]+|[!?]", data)
    hashed = [mixed(sum((byte + 1) * pow(0x100000001B3, i, 1 << 64) for i, byte in enumerate(one)) & MASK) for one in tokens]
    found, running = set(), hashed
    for length in range(order):
        if length:
            running = [
                mixed((one * 0x9E3779B97F4A7C15 + after + length) & MASK)
                for one, after in zip(running[:-1], hashed[length:], strict=True)
            ]
        found |= {one >> (64 - ngrams.BITS) for one in running}
    return found


@given(st.lists(st.text(max_size=40) | st.sampled_from(ODD), max_size=6), st.integers(1, 4))
def test_hashed_ngrams_equal_a_slow_reference(texts: list[str], order: int) -> None:
    bags = ngrams.bags(texts, order)
    assert len(bags) == len(texts)
    for i, text in enumerate(texts):
        row = bags.columns[bags.start[i] : bags.start[i + 1]]
        assert set(row.tolist()) == slow(text, order)
        assert (np.diff(row.astype(np.int64)) > 0).all()


def test_how_texts_are_cut_into_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"review {i} is {'very ' * (i % 7)}long and {ODD[i % len(ODD)]}" for i in range(60)]
    whole = ngrams.bags(texts, 3)
    monkeypatch.setattr(ngrams, "BYTES", 100)
    parts = ngrams.bags(texts, 3)
    assert np.array_equal(whole.start, parts.start) and np.array_equal(whole.columns, parts.columns)


def test_some_rows_of_a_bag_are_those_rows() -> None:
    texts = [*ODD, "a last one"]
    rows = np.array([10, 0, 5, 5, 2])
    some, again = ngrams.bags(texts, 2).only(rows), ngrams.bags([texts[i] for i in rows], 2)
    assert np.array_equal(some.start, again.start) and np.array_equal(some.columns, again.columns)


def dense(held: ngram_matrix.Incidence) -> np.ndarray:
    """An Incidence as an array [n, known], by its parts."""
    found = np.zeros((len(held.lengths), len(held.known)), np.float32)
    found[:, held.place] = np.concatenate([part.toarray() for part in held.parts]).T
    return found


def test_the_sparse_product_has_the_gradient_of_the_dense_one() -> None:
    held = ngram_matrix.of(Texts(["a b c", "b c", "c d b", "a", ""]), 2)
    assert held.lengths.tolist() == [5, 3, 5, 1, 1]
    weights = torch.randn(len(held.place), 2, requires_grad=True)
    (Product.apply(held, weights) ** 2).sum().backward()
    sparse = weights.grad.clone()
    weights.grad = None
    ((torch.from_numpy(dense(held)[:, held.place]) @ weights) ** 2).sum().backward()
    assert torch.allclose(sparse, weights.grad, atol=1e-5)


@given(st.lists(st.text("ab!? ", max_size=12) | st.sampled_from(ODD), max_size=9), st.integers(1, 3))
def test_an_incidence_holds_the_columns_of_every_bag(texts: list[str], order: int) -> None:
    bags = ngrams.bags(texts, order)
    rows = [bags.columns[one:after] for one, after in zip(bags.start, bags.start[1:], strict=False)]
    own = ngram_matrix.build(bags)
    often = {int(one) for row in rows for one in row if sum(one in other for other in rows) >= ngram_matrix.RARE}
    assert own.known.tolist() == sorted(often)
    asked = np.array(sorted({*own.known[::2].tolist(), 5, 1 << 24}), np.int32)
    for held in (own, ngram_matrix.build(bags, asked)):
        expected = np.array([np.isin(held.known, row) for row in rows], np.float32).reshape(len(rows), len(held.known))
        assert np.array_equal(dense(held), expected)
        assert np.array_equal(held.counts(), expected.sum(axis=0))


def sentences(n: int, seed: int = 0) -> tuple[Texts, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    words = [["good", "fine", "lovely"], ["bad", "poor", "awful"]]
    return Texts([f"the film {i % 9} was {rng.choice(words[1 - one])} and long" for i, one in enumerate(y)]), y


def trained(texts: Texts, rows: np.ndarray, y: np.ndarray, labels: object, **knobs: float) -> object:
    module = registry.make(Config(model="ngrams", **knobs), labels, texts, steps=1)
    module.learn(texts, rows, y)
    module.training_step(Batch(None, torch.from_numpy(y[rows]), torch.from_numpy(rows)), 0)
    module.finish()
    return module.eval()


@pytest.mark.parametrize("kind", ["one probability", "one of two", "a number"])
def test_it_learns_what_words_mean(kind: str) -> None:
    texts, y = sentences(200)
    labels, answers = {
        "one probability": (Columns(("good",)), y[:, None].astype(np.float32)),
        "one of two": (OneOf("x", ("no", "yes")), y.astype(np.int64)),
        "a number": (Numbers(("stars",)), (y[:, None] * 9 + 1).astype(np.float32)),
    }[kind]
    module = trained(texts, np.arange(150), answers, labels)
    out = module.predict_step(module.gather(texts, np.arange(150, 200)))[:, -1]
    middle = 5.5 if kind == "a number" else 0.5
    assert ((out > middle).numpy() == (y[150:] == 1)).all()


def test_a_fold_learns_nothing_from_the_texts_it_validates() -> None:
    texts, y = sentences(100)
    other = Texts([*texts.texts[:80], *(f"other words {i} unseen" for i in range(20))])
    answers, rows = y[:, None].astype(np.float32), np.arange(80)
    one, two = (trained(some, rows, answers, Columns(("good",))) for some in (texts, other))
    test = Texts(["the film was good", "bad and long", "unseen"])
    predicted = [module.predict_step(module.gather(test, np.arange(3))) for module in (one, two)]
    said = [module.column[(module.weight != 0).any(dim=1)] for module in (one, two)]
    assert torch.equal(*said)
    assert torch.allclose(*predicted, atol=1e-5)  # other columns beside them: sums in another order


def test_odd_texts_are_predicted_and_none_is_lost(tmp_path: Path) -> None:
    facts = competition.load("imdb").competition
    synthetic.fabricate(facts, tmp_path / "data", train=40, test=len(ODD))
    test = facts.inputs.read_table((tmp_path / "data" / facts.test).read_bytes(), facts.test, facts.form).frame
    test["review"] = [text.replace("\0", " ") for text in ODD[:-1]] + ["word " * 200_000]
    (tmp_path / "data" / facts.test).write_text(table_file.write_text(test, facts.inputs.form), encoding="utf-8")
    run = kit.run("imdb", tmp_path / "data", out=tmp_path / "run", quiet=True, folds=2)
    assert run.scores["oof"] > 0.9
    assert len(run.test) == len(ODD) and np.isfinite(run.test.to_numpy()).all()
    answers, _ = kit.predict(run)
    assert answers.equals(run.test)
    model = run.fold(0) / "model.ckpt"
    assert checkpoints.load_model(model).hparams["columns"] > 0
    assert torch.load(model, weights_only=True)["hyper_parameters"]["labels"]


def test_kaggles_quoting_is_read_and_written_back() -> None:
    text = Text("review", delimiter="\t", escape="\\")
    data = b'id\tsentiment\treview\n"7_1"\t0\t"He said \\"no\\" and left.\\\\ <br />"\n"08_2"\t1\t"Fine,\ta tab"\n'
    table = text.read_table(data, "x.tsv", TableFormat()).frame
    assert table["review"].tolist() == ['He said "no" and left.\\ <br />', "Fine,\ta tab"]
    assert table["id"].tolist() == ["7_1", "08_2"]
    assert text.read_table(table_file.write_text(table, text.form).encode(), "y.tsv", TableFormat()).frame.equals(table)
    with pytest.raises(kit.BadData, match=r"z\.tsv, line \d: .* Is a quote left open"):
        text.read_table(data + b'"9_1"\t0\t"never closed\n', "z.tsv", TableFormat())


def test_reviews_that_repeat_each_other_stay_in_one_fold(tmp_path: Path) -> None:
    facts = competition.load("imdb").competition
    synthetic.fabricate(facts, tmp_path / "data", train=30, test=4)
    train = facts.inputs.read_table((tmp_path / "data" / facts.train).read_bytes(), facts.train, facts.form).frame
    train.loc[20:, "review"] = [" " + text.upper() + "<br />" for text in train["review"][:10]]
    (tmp_path / "data" / facts.train).write_text(table_file.write_text(train, facts.inputs.form), encoding="utf-8")
    run = kit.run("imdb", tmp_path / "data", out=tmp_path / "run", quiet=True, folds=3)
    fold = frames.read_csv((run.path / "folds.csv").read_bytes(), "folds")["fold"].to_numpy()
    assert (fold[:10] == fold[20:]).all()
    assert "10 training rows repeat another one" in run.info["notes"][0]


def test_the_twins_of_texts_differ_in_case_and_space_only() -> None:
    twins = Text("x").twins(Texts(["A film.", " a  FILM.<br />", "a film", "", " "]))
    assert pd.factorize(twins)[0].tolist() == [0, 0, 1, 2, 2]


def reviews(path: Path, n: int = 60) -> None:
    texts, y = sentences(n)
    rows = [f'"{text} {i}",{("negative", "positive")[one]}' for i, (text, one) in enumerate(zip(texts, y, strict=True))]
    path.write_text("\n".join(["review,sentiment", *rows, *rows[:5]]) + "\n")


def test_a_csv_of_texts_needs_no_adapter_and_sentences_can_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reviews(tmp_path / "reviews.csv")
    words = ["run", "csv", "--data", "reviews.csv", "--text", "review", "--label", "sentiment", "--folds", "2", "--quiet"]
    assert main([*words, "--name", "mine"]) == 0
    assert "held-out score  1.00000" in capsys.readouterr().out
    run = kit.load("runs/csv/mine")
    assert any("are kept back as the test set" in note for note in run.info["notes"])
    assert run.scores["rows"]["train"] + run.scores["rows"]["test"] == 65
    assert main(["predict", str(run.path), "--text", "lovely", "--text", "awful", "--json"]) == 0
    lovely, awful = json.loads(capsys.readouterr().out)["answers"]
    assert lovely["positive"] > 0.5 > awful["positive"]
    assert lovely["text"] == "lovely"
    assert main([*words, "--text", "revew"]) == 65
    assert "no column 'revew'; it has 'review', 'sentiment'" in capsys.readouterr().err


def test_what_a_model_does_not_heed_is_said_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reviews(tmp_path / "reviews.csv")
    words = ["run", "csv", "--data", "reviews.csv", "--text", "review", "--label", "sentiment", "--folds", "2"]
    assert main([*words, "--name", "plain"]) == 0
    said = capsys.readouterr().err
    assert "changes nothing" not in said and "epochs=" not in said and "lr=" not in said
    assert (
        main([*words, "--name", "more", "--epochs", "3", "--lr", "auto", "--batch", "auto", "--trees", "7", "--ngrams", "3"])
        == 0
    )
    said = capsys.readouterr().err
    for flag in ("--epochs", "--lr", "--batch", "--trees"):
        assert f"{flag} changes nothing for --model ngrams" in said
    assert said.count("changes nothing") == 4
    for name in ("oof.csv", "submission.csv"):
        assert Path("runs/csv/plain", name).read_bytes() == Path("runs/csv/more", name).read_bytes()


def test_copies_are_kept_back_together_in_any_order(tmp_path: Path) -> None:
    content, answers = np.arange(100, dtype=np.uint64) % 40, [str(i % 3) for i in range(100)]
    back = folds.kept_back(content, answers)
    assert 0.1 < np.mean(back) < 0.5
    assert all(len({b for c, b in zip(content, back, strict=True) if c == one}) == 1 for one in set(content))
    order = np.random.default_rng(0).permutation(100)
    again = folds.kept_back(content[order], [answers[i] for i in order])
    assert (again == back[order]).all()


def test_the_csv_of_50_000_reviews_is_read(tmp_path: Path) -> None:
    reviews(tmp_path / "IMDB Dataset.csv")
    run = kit.run("imdb50k", tmp_path, out=tmp_path / "run", quiet=True, folds=2)
    assert run.scores["extra"]["held_out"] == 1.0
    fold = frames.read_csv((run.path / "folds.csv").read_bytes(), "folds").set_index("id")["fold"]
    pairs = [(str(i + 1), str(i + 61)) for i in range(5)]
    assert all((one in fold) == (two in fold) for one, two in pairs)  # both kept back, or neither
    assert all(fold[one] == fold[two] for one, two in pairs if one in fold)


def test_a_run_on_pictures_refuses_typed_texts(small_run: kit.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(small_run.path), "--text", "seven"]) == 2
    assert "cannot be typed in" in capsys.readouterr().err


def slow_characters(text: str, longest: int) -> set[int]:
    """The columns of a text's character n-grams, one by one."""
    found = set()
    for word in text.replace("<br />", " ").split():
        padded = f" {word} "
        for length in range(2, longest + 1):
            for i in range(len(padded) - length + 1):
                written = padded[i : i + length]
                for one in {written, "".join(c.lower() if len(c.lower()) == 1 else c for c in written)}:
                    hashed = sum((ord(c) + 1) * pow(0x100000001B3, k, 1 << 64) for k, c in enumerate(one)) & MASK
                    found.add(mixed(hashed ^ (character_grams.SALT * length & MASK)) >> (64 - ngrams.BITS))
    return found


@given(st.lists(st.text("abAB ,!ßİ", max_size=30) | st.sampled_from(ODD), max_size=6), st.integers(2, 6))
def test_hashed_character_ngrams_equal_a_slow_reference(texts: list[str], longest: int) -> None:
    bags = ngrams.bags(texts, 1, longest)
    for i, text in enumerate(texts):
        row = bags.columns[bags.start[i] : bags.start[i + 1]]
        assert set(row.tolist()) == slow(text, 1) | slow_characters(text, longest)


@given(st.lists(st.text(max_size=40) | st.sampled_from(ODD), max_size=6))
def test_statistics_of_any_text_are_finite_and_its_own(texts: list[str]) -> None:
    found = text_statistics.of(texts)
    assert found.shape == (len(texts), text_statistics.COUNT) and np.isfinite(found).all()
    for text, row in zip(texts, found, strict=True):
        assert np.array_equal(text_statistics.of([text])[0], row)


STYLE = {"characters": 4, "statistics": 1, "inverse_penalty": 0.0}


def test_what_is_learned_of_style_is_learned_inside_the_fold() -> None:
    texts, y = sentences(100)
    other = Texts([*texts.texts[:80], *(f"OTHER words, {i}; unseen!" for i in range(20))])
    flipped = np.r_[y[:80], 1 - y[80:]]
    test = Texts(["the film was good", "Bad and long", "unseen", ""])
    predicted = []
    for some, answers in ((texts, y), (other, y), (texts, flipped)):
        module = trained(some, np.arange(80), answers[:, None].astype(np.float32), Columns(("good",)), **STYLE)
        predicted.append(module.predict_step(module.gather(test, np.arange(4))))
    assert torch.allclose(predicted[0], predicted[1], atol=1e-4) and torch.equal(predicted[0], predicted[2])
    assert predicted[0][0] > 0.5 > predicted[0][1]


def chosen(texts: Texts, y: np.ndarray) -> float:
    module = registry.make(Config(model="ngrams", inverse_penalty=0.0), Columns(("good",)), texts, steps=1)
    module.learn(texts, np.arange(len(y)), y[:, None].astype(np.float32))
    module.choose_penalty()
    return float(module.inverse_penalty)


def test_the_penalty_is_strong_where_words_say_nothing() -> None:
    texts, y = sentences(150)
    noise = np.random.default_rng(1).permutation(y)
    assert chosen(texts, noise) < chosen(texts, y) / 10


def test_splits_of_the_training_rows_are_inside_them_and_apart() -> None:
    rows = np.arange(0, 300, 3)
    for inner, outer in ngram_penalty.splits(rows, 0):
        assert np.array_equal(np.sort(np.r_[inner, outer]), rows)
    groups = np.arange(300) // 15
    for inner, outer in ngram_penalty.splits(rows, 0, groups):
        assert np.array_equal(np.sort(np.r_[inner, outer]), rows) and len(outer)
        assert not set(groups[inner]) & set(groups[outer])
    assert len(ngram_penalty.splits(rows, 0)) == 5 and len(ngram_penalty.splits(np.arange(20_000), 0)) == 1


def test_statistics_that_never_differ_say_nothing() -> None:
    statistics = torch.tensor([[1.0, 2.0], [1.0, 4.0]])
    style = ngram_design.standard(statistics, 2.0)
    rows = (statistics - style[0]) * style[1] * style[2]
    assert rows[:, 0].tolist() == [0, 0] and torch.allclose(rows.square().sum(1).mean().sqrt(), torch.tensor(2**0.5))


def test_a_run_with_style_is_predicted_again_and_lists_its_character_ngrams(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ends = [("ing", "POS"), ("ed", "NEG")]
    rows = [(f'"{"".join(rng.choice(list("bcdfg"), 5))}{ends[i % 2][0]} {i}"', ends[i % 2][1]) for i in range(80)]
    (tmp_path / "x.csv").write_text("text,label\n" + "\n".join(map(",".join, rows)) + "\n")
    run = kit.run("csv", tmp_path / "x.csv", out=tmp_path / "run", quiet=True, folds=2, text="text", **STYLE)
    assert run.scores["oof"] == 1.0  # no word is met twice: only endings tell
    answers, _ = kit.predict(run)
    assert answers.equals(run.test)
    words = pd.read_csv(tmp_path / "run" / "words.csv")
    assert "ing␣" in words["ngram"].tolist()


NOUNS = ["table", "river", "window", "garden", "letter", "market", "engine", "village"]


def made(kind: str, n: int = 240) -> str:
    """A table of texts whose words, whose style, or whose length tells the answer, not without errors."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(n):
        one = i % 2
        told = one if rng.random() > 0.1 else 1 - one
        words = [str(rng.choice(NOUNS)) + str(rng.choice(["", "s"])) for _ in range(8)]
        if kind == "words":
            words[int(rng.integers(8))] = str(rng.choice([["bad", "poor", "awful"], ["good", "fine", "lovely"]][told]))
        elif kind == "style":
            words = [word + "ly" * int(told and k % 3 == 0) for k, word in enumerate(words)] + ["!" * told]
        else:
            words *= 1 + i % 5
        answer = f"{1 + i % 5 + rng.normal() / 4:.2f}" if kind == "length" else ("no", "yes")[one]
        rows.append(f'"{" ".join(words)}, {i}",{answer}')
    return "\n".join(["text,label", *rows]) + "\n"


@pytest.mark.parametrize("kind", ["words", "style", "length"])
def test_the_best_preset_is_never_worse_than_the_fast_one(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(made(kind))
    shown = {"text": "text", "task": "numbers" if kind == "length" else "classes", "folds": 3, "quiet": True}
    fast, best = (
        kit.run("csv", tmp_path / "x.csv", preset=name, out=tmp_path / name, **shown).scores["oof"]
        for name in ("fast-text", "best-text")
    )
    assert best <= fast if kind == "length" else best >= fast
    if kind != "words":
        assert abs(best - fast) > 0.02  # the style is seen


def test_few_texts_begin_with_vectors(tmp_path: Path) -> None:
    texts = pd.DataFrame({"text": ["a plain film"] * 500})
    few, many = (Text("text").beginning(tmp_path, rows).fast for rows in (texts.iloc[:499], texts))
    assert few == many.changed(vectors=64) and many.vectors == 0
