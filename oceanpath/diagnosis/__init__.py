"""Checks of the installation, of the machine, and of what an experiment needs from both."""
