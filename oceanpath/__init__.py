"""OceanPath: from whole-slide images and a table of labels to a validated slide-level model."""

from oceanpath.telemetry import switch_off

__version__ = "0.1.0"

switch_off()
