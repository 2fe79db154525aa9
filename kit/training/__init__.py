"""One fit of one fold: its data, callbacks, checkpoints, signals and deadline."""
