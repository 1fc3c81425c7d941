"""Slides that OpenSlide does not read, through their makers' packages in a process of their own."""
