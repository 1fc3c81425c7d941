"""Executors run the work items of a step: in this process, in other processes of this machine, or elsewhere."""
