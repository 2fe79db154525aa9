"""Mixed models: pictures or texts together with the columns of the same row."""
