"""Quality of embeddings without labels: functions of the embeddings of fixed validation views. NumPy, float64."""
