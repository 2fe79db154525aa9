"""Columns of a table: what is found out about them before anything is trained."""
