"""Mixed inputs: pictures or texts together with columns of the same rows."""
