"""How fast a training step in bf16 on a CPU is with the kit's gradients of depthwise convolutions, beside torch's own.

    python scripts/bench/depthwise.py [--model tf_efficientnet_lite0] [--size 128] [--batch 32] [--repeats 5]

Steps alternate; CPU seconds, so that other processes count little; medians.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time

import timm
import torch

from kit.models.images.depthwise import Faster


def main() -> None:
    """Print rows per CPU second of both, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    net = timm.create_model(arguments.model, num_classes=10).train().to(memory_format=torch.channels_last)
    pictures = torch.randn(arguments.batch, 3, arguments.size, arguments.size).contiguous(memory_format=torch.channels_last)
    answers = torch.randint(0, 10, (arguments.batch,))
    seconds: dict[str, list[float]] = {"torch": [], "kit": []}
    for _ in range(arguments.repeats + 1):
        for name in seconds:
            began = time.process_time()
            with torch.autocast("cpu", dtype=torch.bfloat16), Faster() if name == "kit" else contextlib.nullcontext():
                loss = torch.nn.functional.cross_entropy(net(pictures).float(), answers)
            loss.backward()
            seconds[name].append(time.process_time() - began)
    median = {name: statistics.median(some[1:]) for name, some in seconds.items()}
    for name, taken in median.items():
        print(f"{name:6} {arguments.batch / taken:7.1f} rows per CPU second")
    print(f"the kit's step takes {median['kit'] / median['torch']:.2f} times as long")


if __name__ == "__main__":
    main()
