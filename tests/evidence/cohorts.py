"""The cohorts of the evidence: who is kept for tests, who chooses the recipe, and who pretrains."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

PAIRS = (("UEC", "USC"), ("ESCA", "ESCC"), ("SEM", "NSGCT"), ("THPA", "THFO"), ("GBM", "ODG"))
"""Pairs of OncoTree codes that choose the recipe; its pretrainings do not see their slides."""
NEAR_LUNG = ("HNSC", "ESCC", "CESC", "ESCA", "STAD", "DSTAD", "TSTAD", "BLCA")
"""The codes of squamous, oesophageal, oesophagogastric and bladder tumours."""
HELD = 0.25
"""Share of the pan-cancer patients that no pretraining sees."""


def write_tables(cohort: Path, folder: Path) -> None:
    """Write the tables of the pan-cancer cohort into `folder`.

    held.csv: patients that only test; development.csv: all others; choice.csv: those without the codes of `PAIRS`;
    pairs.csv: those with these codes; far.csv: those without the codes of `NEAR_LUNG`.
    """
    table = pd.read_csv(cohort, dtype=str)
    is_held = table["case_id"].map(_position) < HELD
    development, codes = table[~is_held], table.loc[~is_held, "oncotree_code"]
    paired = [code for pair in PAIRS for code in pair]
    parts = {
        "held": table[is_held],
        "development": development,
        "choice": development[~codes.isin(paired)],
        "pairs": development[codes.isin(paired)],
        "far": development[~codes.isin(NEAR_LUNG)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        rows.to_csv(folder / f"{name}.csv", index=False)


def _position(patient: str) -> float:
    """A number in [0, 1) that depends on the patient alone."""
    return int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) / 2**32
