"""Tests on a real Slurm on the loopback interface."""
