"""The `[curate]` table."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from oceanpath.errors import nearest
from oceanpath.settings import Settings, outside, shared
from oceanpath.stages.curate.rules import OTHER, Rule, builtin_rules


class CurateSettings(Settings):
    """Selection of slides for pretraining by source, number of patches and cancer type."""

    sources: tuple[str, ...] = Field(("TCGA", "CPTAC"), min_length=1)
    """Sources to keep; "other" is every slide that no rule matches."""
    min_patches: int = Field(256, ge=1)
    """Minimum number of patches per slide; slides with fewer are left out."""
    rules: tuple[Rule, ...] = ()
    """Rules that derive source and cancer type from a file's path; the first match applies, before built-in rules."""
    builtin_rules: bool = True
    """Whether to apply the built-in rules for TCGA and CPTAC after `rules`."""
    features: Path | None = outside("data.features")
    features_key: str = shared("data.features_key", "", is_added=True)
    level: str = shared("data.level", "patch", is_runtime=True)

    @property
    def table(self) -> tuple[Rule, ...]:
        """All rules, in the order in which they are tried."""
        return (*self.rules, *(builtin_rules() if self.builtin_rules else ()))

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        known = {OTHER, *(rule.source for rule in self.table)}
        for name in self.sources:
            if name not in known:
                close = nearest(name, known)
                hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known))}"
                raise ValueError(f"no rule has the source '{name}'; {hint}")
        return self
