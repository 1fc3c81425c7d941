"""The rooms, one folder each, all with the same door; `catalog` is the one list of them."""
