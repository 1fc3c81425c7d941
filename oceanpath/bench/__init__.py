"""How fast the rooms are, as ratios: every alternative runs in turn in one process, on data made for the purpose."""
