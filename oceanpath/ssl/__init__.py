"""Self-supervised learning of aggregators: losses, methods and monitors, without stores and files."""
