"""What rooms hand to each other. One module a format: its bytes in the docstring; write, read, check. No torch."""
