"""OceanPath: whole-slide images and labels in, a slide-level model with patient-level statistics out."""

from oceanpath.telemetry import switch_off

__version__ = "0.1.0"

switch_off()
