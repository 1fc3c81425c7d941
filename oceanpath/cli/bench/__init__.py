"""`oceanpath bench`: measure speed and memory on this machine."""
