"""Graphs: the models of a run as one network of plain tensors: raw inputs in, predictions out, folds averaged inside."""

from kit.models.graphs.base import Average, Graph
from kit.models.graphs.readers import Ballot

__all__ = ["Average", "Ballot", "Graph"]
