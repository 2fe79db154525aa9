"""Layout: how picture files are called by the cells of a table, found below a folder, and how that is told from the files."""
