"""A run or its data, for people: figures, pages, contact sheets, notebooks."""
