"""Slide embeddings of any aggregator, and how well labels can be predicted from them."""
