"""Modules and networks of pictures."""
