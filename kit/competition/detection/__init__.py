"""Detection: the facts of a competition, from its files alone."""
