"""Split files of users and of other tools: which slides or patients train, validate and test a model."""
