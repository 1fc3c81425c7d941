"""The bundle: its files, the metadata in `bundle.json`, and hashes of its training slides."""
