"""The bundle: its files, the facts in `bundle.json`, and the hashed ids of its training slides."""
