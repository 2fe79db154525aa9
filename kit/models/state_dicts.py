"""State dicts: files of weights, read safely, with the names that a network gives to its tensors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from kit.errors import BadData, Usage, listed
from kit.storage import weights

State = dict[str, torch.Tensor]
WRAPPINGS = ("state_dict", "model", "model_state_dict", "state_dict_ema")  # keys of a checkpoint that hold the state dict
PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.")  # of DataParallel, of Lightning modules, of torch.compile
KNOWN = 0.9  # share of a network's tensors that a file must hold; less is another model's
COUNTER = "num_batches_tracked"  # of batch normalisation since torch 0.4.1: older files lack it
POSITIONS = ("pos_embed", "relative_position_bias_table")  # timm resizes them to the pictures' size
LEAVES = {"weight", "bias", "running_mean", "running_var"}


def read(name: str) -> State:
    """The state dict that `--weights NAME` means. Tensors only: nothing in the file is executed.

    Raises Usage where there is no such file, BadData for one that is broken, holds no state dict, or NaN.
    """
    path = weights.file_in(weights.find(name))
    state = _tensors(path)
    for key in WRAPPINGS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(one, torch.Tensor) for one in state.values()):
        raise BadData(f"--weights {path}: holds no state dict.")
    refuse_broken(path, state)
    return state


def refuse_broken(where: str | Path, state: State) -> None:
    """Raise BadData for tensors that are not finite; `where`: the file or name that they came from."""
    broken = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise BadData(f"--weights {where}: NaN or infinity in {listed(broken)}: from a fit that diverged?")


def _tensors(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # about the protocol of a pickle that is none of torch's
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # a broken or hostile pickle raises whatever its bytes happen to mean
        size = weights.megabytes(path.stat().st_size)
        raise BadData(
            f"--weights {path}: not weights that can be read safely ({type(fault).__name__}). Is it a whole download ({size})?"
        ) from fault


def bare(state: State, own: Mapping[str, torch.Tensor]) -> State:
    """A state dict without what wrappers put before its names, one within another too, where `own` does not know them.

    What stands beside the wrapped network (a loss, a metric) is left out.
    """
    while len(own.keys() & state.keys()) < KNOWN * len(own):
        counts = {prefix: sum(name.startswith(prefix) for name in state) for prefix in PREFIXES}
        prefix = max(PREFIXES, key=lambda one: counts[one])
        if 2 * counts[prefix] <= len(state):
            break
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return state


def in_order(state: State, own: Mapping[str, torch.Tensor], head: Sequence[str], stem: Sequence[str]) -> dict[str, str] | None:
    """The name in `state` of each tensor of `own` where all names differ but order and shapes agree; None where they do not.

    `head`: tensors that may be for another number of classes; `stem`: convolutions that may see another number of channels.
    Batch normalisation's counters and the head may be missing. Names that end in a usual word (weight, bias, …) must end
    alike, as one shape may stand for many things.
    """
    theirs = [name for name in state if not name.endswith(COUNTER)]
    ours = [name for name in own if not name.endswith(COUNTER)]
    ours = ours if len(ours) == len(theirs) else [name for name in ours if name not in head]
    if len(theirs) != len(ours) or len(own.keys() & state.keys()) > (1 - KNOWN) * len(own):
        return None
    for here, there in zip(ours, theirs, strict=True):
        leaves = {one.rpartition(".")[2] for one in (here, there)}
        if not alike(here, own[here].shape, state[there].shape, head, stem) or (leaves <= LEAVES and len(leaves) > 1):
            return None
    return dict(zip(ours, theirs, strict=True))


def alike(name: str, own: Sequence[int], given: Sequence[int], head: Sequence[str] = (), stem: Sequence[str] = ()) -> bool:
    """Can a tensor of the shape `given` become that of the shape `own`? Classes, channels and positions may differ."""
    if tuple(own) == tuple(given) or name.endswith(POSITIONS):
        return True
    free = 0 if name in head else 1 if name in stem else None
    return free is not None and len(own) == len(given) and all(
        a == b for axis, (a, b) in enumerate(zip(own, given, strict=True)) if axis != free
    )  # fmt: skip


def fitted(
    state: State, own: Mapping[str, torch.Tensor], *, head: Sequence[str], stem: Sequence[str], who: str, model: str
) -> tuple[State, list[str]]:
    """A state dict with the names of the network `own`, and what there is to say of it.

    `who`: begins every message, such as `--weights FILE`. A state dict with other names in another order is returned as it is:
    timm knows the names that the authors of some models gave. Raises Usage for a deeper model's of the same names.
    """
    state = bare(state, own)
    order = in_order(state, own, head, stem)
    if order:
        (first, *_, last), count = order.items(), len(order)
        said = f"--weights: {count} tensors have other names and are taken in their order: {first[1]} → {first[0]}"
        return {ours: state[theirs] for ours, theirs in order.items()}, [f"{said} … {last[1]} → {last[0]}"]
    known = own.keys() & state.keys()
    if len(known) >= KNOWN * len(own) and len(known) < KNOWN * len(state):
        raise Usage(f"{who}: {model} knows {len(known)} of its {len(state)} weights: a deeper model's?")
    return state, []


def difference(state: State, own: Mapping[str, torch.Tensor], head: Sequence[str], stem: Sequence[str]) -> str:
    """In what a state dict differs from a network that cannot take it, in a few words."""
    other = [
        name for name in own if name in state and not alike(name, own[name].shape, state[name].shape, head, stem)
    ]  # fmt: skip
    if other:
        shapes = f"{_shape(state[other[0]])} instead of {_shape(own[other[0]])}"
        return f"{len(other)} tensors have another shape, first {other[0]}: {shapes} (another width?)"
    return f"it holds {_span(state)}, the model {_span(own)}"


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _span(state: Mapping[str, torch.Tensor]) -> str:
    """`122 tensors, conv1.weight … fc.bias`."""
    names = list(state)
    return f"{len(names)} tensors, {names[0][:60]} … {names[-1][:60]}"
