"""Site-preserved cross-validation: all patients of a site are in the same fold, and the folds have similar classes.

Howard et al. (2021), "The impact of site-specific digital histology signatures on deep learning model accuracy and
bias". The assignment minimises the sum, over strata and folds, of the difference between the patients of a stratum in
a fold and an equal share, relative to the size of the stratum; solved as a mixed-integer linear program with HiGHS.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold

NODES = 2000
"""Nodes of the search tree; a limit of time would make the folds depend on the machine."""


def site_preserved(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """`settings.folds` folds of whole sites.

    Raises: ExperimentError: a patient has no site, there are fewer sites than folds, or no assignment of sites lets
        every fold test and train every stratum.
    """
    sites = patients.sites()
    if len(sites) < settings.folds:
        do = f"Set split.folds to {max(2, len(sites))} or less."
        raise ExperimentError(
            "fewer sites than folds", where="[split] folds", expected=settings.folds, got=len(sites), do=do
        )
    # The order of equal sites decides between equally good assignments, so it depends on the seed.
    order = [sorted(sites)[i] for i in np.random.default_rng(settings.seed).permutation(len(sites))]
    counts = site_counts(patients, {site: sites[site] for site in order})
    largest_first = np.argsort(-counts.sum(axis=1), kind="stable")
    fold_of = assign_sites(counts[largest_first], settings.folds)
    if fold_of is None:
        word = settings.target().stratum
        do = f'Set split.folds below {settings.folds}, or use split.scheme = "leave_one_site_out".'
        what = f"no assignment of sites was obtained that lets every fold test and train every {word}"
        raise ExperimentError(what, where="[split] scheme", got=_spread(patients, counts), do=do)
    chosen = [order[i] for i in largest_first]
    return [
        Fold(
            frozenset(name for site, own in zip(chosen, fold_of, strict=True) if own == number for name in sites[site])
        )
        for number in range(settings.folds)
    ]


def site_counts(patients: Patients, sites: dict[str, list[str]]) -> NDArray[np.int64]:
    """[sites, strata] numbers of patients."""
    stratum = patients.frame["stratum"]
    rows = [stratum.loc[names].value_counts().reindex(list(patients.strata), fill_value=0) for names in sites.values()]
    return np.asarray(rows, np.int64)


def assign_sites(counts: NDArray[np.int64], folds: int) -> list[int] | None:
    """The fold of each site, from `counts` [sites, strata]; None where no assignment was obtained for every stratum."""
    from scipy.optimize import Bounds, milp  # takes a third of a second to import

    n_sites, n_strata = counts.shape
    n_x, n_t = n_sites * folds, n_strata * folds
    weights = np.repeat(1 / np.maximum(counts.sum(axis=0), 1), folds)
    upper = np.ones(n_x + n_t)
    upper[n_x:] = np.inf
    for site in range(min(n_sites, folds)):  # folds are interchangeable: the first site is in the first fold, and so on
        upper[site * folds + site + 1 : (site + 1) * folds] = 0
    found = milp(
        np.r_[np.zeros(n_x), weights],
        integrality=np.r_[np.ones(n_x), np.zeros(n_t)],
        bounds=Bounds(0, upper),
        constraints=_constraints(counts, folds),
        options={"node_limit": NODES, "mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    return [int(fold) for fold in np.argmax(found.x[:n_x].reshape(n_sites, folds), axis=1)]


def _constraints(counts: NDArray[np.int64], folds: int) -> object:
    """Every site in one fold; deviations from equal shares; every stratum is tested once and trained twice or more."""
    from scipy.optimize import LinearConstraint

    n_sites, n_strata = counts.shape
    total = np.repeat(counts.sum(axis=0), folds)
    one_fold = np.hstack([np.kron(np.eye(n_sites), np.ones(folds)), np.zeros((n_sites, n_strata * folds))])
    in_fold = np.kron(counts.T, np.eye(folds))  # [strata * folds, sites * folds]
    deviation = np.eye(n_strata * folds)
    return [
        LinearConstraint(one_fold, 1, 1),
        LinearConstraint(np.hstack([in_fold, -deviation]), -np.inf, total / folds),
        LinearConstraint(np.hstack([in_fold, deviation]), total / folds, np.inf),
        LinearConstraint(np.hstack([in_fold, 0 * deviation]), 1, total - 2),
    ]


def _spread(patients: Patients, counts: NDArray[np.int64]) -> str:
    """Numbers of sites with patients of each stratum."""
    sites = (counts > 0).sum(axis=0)
    return ", ".join(f"{name} in {number} sites" for name, number in zip(patients.strata, sites, strict=True))
