"""The HTML report of a run: what is found in its folder, the sections that show it, the page that holds them."""
