"""Processes that train beside each other on one machine: a server that forks them, and who asks it to."""
