"""How a task is learnt with torch: outputs of the model, loss, and what outputs mean. One file per task."""
