"""Search: the values of knobs that trials have: ranges, and who chooses among them."""
