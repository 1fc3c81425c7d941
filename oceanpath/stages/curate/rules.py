"""Source and cancer type of a slide from the folders in its path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from oceanpath.settings import Settings

OTHER = "other"
"""Source of slides that no rule matches."""
UNKNOWN = "unknown"
"""Cancer type if the folders do not name one."""


class Rule(Settings):
    """One line of the rule table."""

    source: str = Field(min_length=1)
    """Source of a matching slide, such as TCGA."""
    pattern: str = Field(min_length=1)
    """Regular expression, searched in the file's path below the folder of features; case is ignored."""
    cancer_type: str = Field(UNKNOWN, min_length=1)
    r"""Cancer type of a matching slide; ``\1`` is the first group of the pattern in upper case."""

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.pattern).sub(self.cancer_type, "")  # checks the groups even if nothing matches
        except (re.error, IndexError) as error:
            raise ValueError(f"the rule for {self.source} is not a regular expression: {error}") from error
        return self


class SlideSource(NamedTuple):
    """Source and cancer type of a slide."""

    source: str
    cancer_type: str


# Study abbreviations of TCGA and common unions of studies; without a closed list, the tissue source site in a folder
# name such as TCGA-AA-3514 would be read as a cancer type.
_TCGA = (
    "ACC|BLCA|BRCA|CESC|CHOL|COADREAD|COAD|CRC|DLBC|ESCA|GBMLGG|GBM|HNSC|KICH|KIRC|KIRP|LAML|LGG|LIHC|LUAD|LUSC|MESO|"
    "NSCLC|OV|PAAD|PCPG|PRAD|RCC|READ|SARC|SKCM|STAD|TGCT|THCA|THYM|UCEC|UCS|UVM"
)
# Cohorts of CPTAC-2 and CPTAC-3.
_CPTAC = "AML|BRCA|CCRCC|CM|COAD|GBM|HNSCC|LSCC|LUAD|LUSC|NSCLC|OV|PDAC|PDA|SAR|UCEC"
_FOLDER = r"(?:[-_.][^/]*)?/"
"""The rest of the folder's name after its cancer type: TCGA-BRCA_IDC counts as BRCA."""


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """Tried in this order, after the rules of the experiment. Computed on first use: few commands curate."""
    return (
        # TCGA-LUAD/…, tcga_brca_idc/…, TCGA/BLCA/…, TCGA/features/COAD/…
        Rule(source="TCGA", pattern=rf"(?:^|/)tcga(?:[-_]|[^/]*/(?:.+/)?)({_TCGA}){_FOLDER}", cancer_type=r"\1"),
        # BLCA/TCGA-XF-A9SU-….h5, BRCA_OTHERS/TCGA-….h5
        Rule(source="TCGA", pattern=rf"(?:^|/)({_TCGA}){_FOLDER}(?:.+/)?tcga-[^/]*$", cancer_type=r"\1"),
        # CPTAC-LUAD/…, cptac_ccrcc/…, CPTAC/GBM/…, CPTAC-3/UCEC/…
        Rule(source="CPTAC", pattern=rf"(?:^|/)cptac(?:[-_]|[^/]*/(?:.+/)?)({_CPTAC}){_FOLDER}", cancer_type=r"\1"),
        Rule(source="TCGA", pattern=r"(?:^|/)tcga[-_/]"),
        Rule(source="CPTAC", pattern=r"(?:^|/)cptac[-_/\d]"),
    )


def source_of(relative_path: str, rules: Iterable[Rule]) -> SlideSource:
    """Source and cancer type of a file from its path below the folder of features, by the first matching rule."""
    for rule in rules:
        match = re.search(rule.pattern, relative_path.upper(), re.IGNORECASE)
        if match:
            return SlideSource(rule.source, match.expand(rule.cancer_type) or UNKNOWN)
    return SlideSource(OTHER, UNKNOWN)
