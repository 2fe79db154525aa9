"""Ranks: the processes that torchrun starts, which train each fold together, each of them a part of every batch."""
