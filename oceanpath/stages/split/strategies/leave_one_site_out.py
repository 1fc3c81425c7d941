"""Leave-one-site-out cross-validation: every fold tests the patients of one site on a model that saw no slide of it."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold

SMALL = "sites with fewer than {} patients"


def leave_one_site_out(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """One fold per site, in alphabetical order, and one last fold for all sites below `settings.smallest_site`.

    Raises: ExperimentError: a patient has no site, or there is one site only.
    """
    sites = patients.sites()
    large = {site: names for site, names in sites.items() if len(names) >= settings.smallest_site}
    folds = [Fold(frozenset(names), name=site) for site, names in large.items()]
    small = frozenset(name for site, names in sites.items() if site not in large for name in names)
    if small:
        folds.append(Fold(small, name=SMALL.format(settings.smallest_site)))
    if len(folds) < 2:
        do = "Lower split.smallest_site, or use another scheme."
        raise ExperimentError("there is one site only", where="[split] scheme", got=", ".join(sites), do=do)
    return folds
