"""Inference with a bundle, offline and over HTTP.

The command `predict` (`offline`) and the server (`app`) both use `engine.Engine`, so their predictions are identical.
Importing this package imports no other module.
"""
