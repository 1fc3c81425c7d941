"""What is learnt and how it is judged: labels, predictions, metrics. One file per task; numpy, no torch."""
