"""Prediction tasks: labels, predictions and their evaluation. One file per task; numpy, no torch."""
