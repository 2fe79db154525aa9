"""Report: a run in a table, for people who just watched it end."""

from __future__ import annotations

from kit.console import clock, table
from kit.labels.decision import TITLES
from kit.metrics import defined, shown
from kit.storage.run_folder import Run, read_json
from kit.storage.runs.parts import SEAL

GATED = {"views": "views", "averages": "averaged weights"}


def gated(scores: dict) -> list[tuple[str, str, str]]:
    """Name, gain and verdict of all that `scores.json` says did or did not pay; nothing for an older run."""
    return [
        (GATED[name], f"{one['gain']:+.5f}", f"± {one['noise']:.5f}, {'paid' if one['paid'] else 'did not pay'}")
        for name, one in scores.get("paid", {}).items()
    ]


def decided(scores: dict) -> tuple[str, str]:
    """What `scores.json` says of the decision that was tried, and whether it was kept; empty where none was."""
    if (one := scores.get("decision")) is None:
        return "", ""
    if one["gain"] is None or one["noise"] is None:
        return TITLES[one["kind"]], "what it gains is not defined, so it is left out"
    verdict = "kept" if one["kept"] else "did not pay"
    gain = f"{abs(one['gain']):.5f} {'better' if one['gain'] >= 0 else 'worse'} ± {one['noise']:.5f}"
    return TITLES[one["kind"]], f"{shown(one['plain'])} → {shown(one['nested'])}, {gain}, {verdict}"


def pseudo(about: dict) -> tuple[str, str]:
    """What `scores.json` says of test rows that trained: did it pay, beside the run that answered them?"""
    told = "what it gains is not defined"
    if about["gain"] is not None and about["noise"] is not None:
        told = f"{shown(about['before'])} → {shown(about['now'])}, {about['gain']:+.5f} ± {about['noise']:.5f}, "
        told += "paid" if about["paid"] else "did not pay (it must exceed twice that noise)"
    others = [f"it saw {about['longer']:.1f} times as many rows in its epochs"] if (about["longer"] or 1) > 1.1 else []
    others += [f"the runs differ in {', '.join(about['differences'])}"] if about["differences"] else []
    besides = f"; besides, {' and '.join(others)}" if others else ""
    return f"pseudo-labels of {about['run']}", f"{told}{besides}"


def summary(run: Run, places: bool = True) -> str:
    """Folds, scores and (`places`) where the files are. For a run that is not complete: what there is."""
    record = run.record
    if record.blend is not None and run.complete:
        header, rows, said = blended(run)
        stacked = record.blend["by"] == "stack"
        title = f"{record.name} · {'stack' if stacked else 'blend by ' + record.blend['by']}"
        return f"{title}\n{table(header, rows)}\n{said}\n\n{_result(run, places)}"
    done = [(part.label, run.fold(part) / SEAL) for part in record.parts if part.fold is not None]
    stats = {label: read_json(path) for label, path in done if path.exists()}
    metric = run.scores["metric"] if run.complete else "score"
    rows = [_row(name, one) for name, one in stats.items()]
    text = f"{record.name} · {record.preset} · {record.device}\n"
    text += table(["fold", "training rows", metric, "epochs", "train", "predict"], rows) if rows else "no fold is done yet"
    if not run.complete:
        missing = [label for label, path in done if not path.exists()]
        return f"{text}\nfolds still to train: {'; '.join(missing) or 'none'}. The same command without --only-fold goes on."
    return f"{text}\n\n{_result(run, places)}"


def blended(run: Run) -> tuple[list[str], list[list[str]], str]:
    """Header and rows of a blend's members with their weights, and whether it pays."""
    members, about = run.record.members, run.record.blend
    assert members is not None and about is not None, "only a blend has them"
    rows = [[one["name"], shown(one["score"]), f"{one['weight']:.3f}"] for one in members]
    seeds = f"the average of the {about.get('seeds')} runs that differ by their seed alone is the answer; none is chosen"
    if about.get("seeds") == len(rows):
        return ["run", run.scores["metric"], "weight"], rows, seeds
    words = "blended" if about["kept"] else "the blend does not pay: the best single run is the answer"
    words = f"the blend does not pay: {seeds}" if "seeds" in about else words
    gain = "what it gains is not defined, as the metric is not"
    if about["gain"] is not None and about["noise"] is not None:
        gain = f"better by {about['gain']:+.5f} ± {about['noise']:.5f} where weights are chosen without the fold"
        gain += "; it must exceed twice that noise"
    if "stack" not in about:
        return ["run", run.scores["metric"], "weight"], rows, f"{words} ({gain})"
    if about["stack"]["kept"]:
        return ["run", run.scores["metric"], "coefficient"], rows, f"{stacked(about['stack'])}\nweights alone would be {gain}"
    return ["run", run.scores["metric"], "weight"], rows, f"{stacked(about['stack'])}\n{words} ({gain})"


def stacked(about: dict) -> str:
    """What `run.json` says of a stack that was tried, and the slopes of its columns, if it was kept."""
    told = "what it gains is not defined"
    if about["gain"] is not None and about["noise"] is not None:
        told = f"{about['gain']:+.5f} ± {about['noise']:.5f} over the weights, without the fold"
    if not about["kept"]:
        return f"a stack by {about['form']} does not pay, so the weights decide ({told}; it must exceed twice that noise)"
    means = [sum(one) / len(one) for one in about["slopes"]]
    slopes = [f"{name} {mean:+.4f}" for name, mean in zip(about["columns"], means, strict=True)]
    columns = f"; by deviation of {', '.join(slopes)}" if slopes and about["form"] != "multinomial logistic regression" else ""
    return f"stacked by {about['form']}, penalty {about['penalty']:g} ({told}{columns})"


def rounds(scores: dict) -> str:
    """How each seed (of each repeat) scores alone, how far that strays, and what their average scores."""
    about = scores["rounds"]
    named = [f"{about[name]} {name}" for name in ("repeats", "seeds") if about[name] > 1]
    each = "  ".join(map(shown, about["oof"]))
    strays = "" if about["std"] is None else f" ± {about['std']:.5f}, standard error of this mean {about['error']:.5f}"
    alone = f"{' × '.join(named)}, each alone  {each}   (mean {shown(about['mean'])}{strays})"
    return f"{alone}   their average {shown(about['average'])}"


def _row(name: str, one: dict) -> list[str]:
    seconds = one["seconds"]
    return [
        name,
        f"{one['rows']:,}",
        shown(one["score"]) if "score" in one else "",
        str(one["epochs"]),
        clock(seconds["train"]),
        clock(seconds["predict"]),
    ]


def _scored(scores: dict, extra: dict) -> str:
    """The out-of-fold score, the folds' mean and deviation, and other metrics."""
    folds = [one for one in scores["folds"] if defined(one) is not None]
    words = f"folds {shown(scores['mean'])}" + (f" ± {scores['std']:.5f}" if folds else "")
    words += f", {len(folds)} of {len(scores['folds'])} have a score" if len(folds) < len(scores["folds"]) else ""
    known = {name: value for name, value in extra.items() if name != scores["metric"] and value is not None}
    others = "  ".join(f"{name} {value:.5f}" for name, value in known.items())
    return f"out-of-fold {scores['metric']}  {shown(scores['oof'])}   ({words})   {others}".rstrip()


def _result(run: Run, places: bool) -> str:
    scores, extra = run.scores, dict(run.scores["extra"])
    held_out, flattered = extra.pop("held_out", None), extra.pop("flattered_by", None)
    lines = [_scored(scores, extra)]
    if "rounds" in scores:
        lines.append(rounds(scores))
    gains, (title, told) = gated(scores), decided(scores)
    if title and not scores["decision"]["kept"] and scores["decision"]["noise"] is not None:
        one, title = scores["decision"], ""
        gains.append((TITLES[one["kind"]], f"{one['gain']:+.5f}", f"± {one['noise']:.5f}, did not pay"))
    if gains:
        lines.append("gain by  " + "   ".join(" ".join(each) for each in gains))
    if title:
        lines.append(f"decision by {title}, learned without the fold  {told}")
    if "pseudo" in scores:
        lines.append("  ".join(pseudo(scores["pseudo"])))
    if flattered is not None:
        lines.append(f"choosing the epoch on the validation rows flatters this by about {flattered:+.5f}")
    if held_out is not None:
        lines.append(f"held-out score  {held_out:.5f}   ({scores['rows']['test']:,} test rows that no fold saw)")
    if not places:
        return "\n".join(lines)
    if (run.path / "words.csv").exists():
        lines.append(f"the n-grams that count most  {run.path / 'words.csv'}")
    if (run.path / "readings.png").exists():
        lines.append(f"what was read, the least sure first  {run.path / 'readings.csv'} and .png")
    lines.append(f"submission  {run.submission}   ({scores['rows']['test']:,} rows, checked)")
    return "\n".join(lines)
