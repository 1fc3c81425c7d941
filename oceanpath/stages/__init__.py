"""The stages: one package each, all with the same interface; `catalog` lists them."""
