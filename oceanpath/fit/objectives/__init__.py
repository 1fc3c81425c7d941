"""How a model is trained for a task with torch: its outputs, their loss and their interpretation. One file per task."""
