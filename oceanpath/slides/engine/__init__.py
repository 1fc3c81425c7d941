"""From the patches of a slide to its features: reading, encoding, and retries when memory is insufficient."""
