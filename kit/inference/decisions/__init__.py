"""Decisions: how predictions become answers, learned on out-of-fold rows."""
