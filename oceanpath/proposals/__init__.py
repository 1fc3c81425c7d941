"""Proposes an experiment for a folder of slides or features and a label table; asks what they do not determine."""
