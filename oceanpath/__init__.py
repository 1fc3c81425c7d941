"""OceanPath: whole-slide images and labels in, a slide-level model with honest statistics out."""

__version__ = "0.1.0"
