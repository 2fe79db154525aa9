"""Predictions of finished models: members, ablations, blends, export."""
