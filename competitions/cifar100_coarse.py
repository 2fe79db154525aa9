"""CIFAR-100 by its twenty coarse labels (vehicles, trees, …); everything else as in cifar100."""

from dataclasses import replace

from kit.competition import load
from kit.labels import OneOf

_fine = load("cifar100")
competition = replace(_fine.competition, slug="cifar-100-coarse", labels=OneOf("coarse_label"))
presets = {name: _fine.preset(name) for name in ("fast", "best")}
