"""The shared Lightning modules and the networks they train."""
