"""A pretraining stage as another package would add it.

Reads   the store and the training patients of fold 0
Writes  encoder.pt (the weights of the aggregator), history.json
Fails   when a batch has fewer than two slides
"""
