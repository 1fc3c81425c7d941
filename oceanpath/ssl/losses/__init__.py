"""Losses of pretraining: pure functions of embeddings, each with its paper and equation.

All are computed in float32 (float64 for float64 inputs), also under autocast: a covariance or a logarithm of a
softmax loses its small values in half precision.
"""
