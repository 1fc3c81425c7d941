"""A bundle behind an inference engine, and that engine behind HTTP.

`engine.Engine` is the one thing that answers: the verb `predict` (`offline`) and the server (`app`) both call it, so
they cannot disagree. Importing this package imports nothing.
"""
