"""Lightning modules, their networks, knobs and recipes. Knows no competitions."""
