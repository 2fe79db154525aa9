"""What Lightning is needed to define. Its import takes 3 CPU seconds: only who fits by a Trainer imports this package."""
