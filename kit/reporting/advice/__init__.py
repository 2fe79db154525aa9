"""What to try next after a run: rules that each look at one thing that the run itself shows; few, and silent in doubt."""
