"""The single attention branch of CLAM: Lu et al., Nature Biomedical Engineering 2021, equations 1 and 2.

At the level of the bag it is gated attention at the published widths: what tells CLAM from ABMIL is a loss on the most
and least attended patches, which needs the label of the slide, so it belongs to the classifier (`clustering`) and is
asked for by `instance_weight`.
"""

from __future__ import annotations

from oceanpath.models.abmil import ABMIL


class ClamSB(ABMIL):
    """The bag-level branch of CLAM-SB, with the authors' widths as defaults."""
