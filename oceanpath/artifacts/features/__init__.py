"""Feature files: every container and layout that can be read, and the one that is written."""
