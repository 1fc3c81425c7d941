"""The settings of the augmentations: as published, and without libraries that slow down every command."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from oceanpath.bags import augment
from oceanpath.bags.augment.settings import AugmentSettings

from ...published_settings import check_keys, read_reference

SETTINGS = [type(one) for _, one in AugmentSettings().named()]
MODULES = [kind.__module__ for kind in SETTINGS]


@pytest.mark.parametrize("kind", [AugmentSettings, *SETTINGS])
def test_keys_ranges_and_defaults_are_those_of_the_reference(kind: type) -> None:
    definitions = read_reference()["$defs"]
    check_keys(kind, definitions[kind.__name__])


@pytest.mark.parametrize("module", [*MODULES, "oceanpath.bags.augment.base", "oceanpath.bags.augment.settings"])
def test_settings_import_neither_numpy_nor_torch(module: str) -> None:
    names = vars(importlib.import_module(module)).keys()
    assert not names & {"np", "torch", "Tensor", "Generator", "NDArray", "SourceBag", "Patches"}


def test_every_augmentation_is_a_module_of_the_package() -> None:
    assert set(MODULES) <= {f"{augment.__name__}.{one.name}" for one in pkgutil.iter_modules(augment.__path__)}


SELECTIONS = ["DensitySubsampling", "SpatialCrop", "RandomSubsampling", "RegionDrop", "InstanceDropout"]
PERTURBATIONS = ["local_feature_smooth", "spatial_feature_interpolation", "tissue_region_mixup"]
PERTURBATIONS += ["gaussian_noise", "feature_dropout"]


def test_what_is_on_by_default_is_applied_in_order() -> None:
    settings = AugmentSettings()
    assert [type(one).__name__ for one in settings.selections()] == SELECTIONS
    assert [name for name, _ in settings.perturbations()] == PERTURBATIONS
    assert [type(one).__name__ for one in settings.transforms()] == ["CoordAffine", "SpatialGridShuffle"]
    assert settings.coord_jitter.probability == 0.0


@pytest.mark.parametrize("probability", [0.0, 1e-9, 1.0])
def test_a_probability_of_0_switches_off_and_any_other_does_not(probability: float) -> None:
    off = AugmentSettings.off()
    assert (off.selections(), off.perturbations(), off.transforms(), off.left_out(False)) == ([], [], [], [])
    for name, one in off.named():
        changed = {name: one.model_copy(update={"probability": probability})}
        settings = off.model_copy(update=changed)
        count = len(settings.selections()) + len(settings.perturbations()) + len(settings.transforms())
        assert count == (probability > 0)
        missing = [name] if probability > 0 and one.needs_coords else []
        assert settings.left_out(False) == missing and settings.left_out(True) == []
        assert dict(settings.active(True).named())[name].probability == probability
        assert dict(settings.active(False).named())[name].probability == (0.0 if missing else probability)


def test_categories_of_the_augmentations() -> None:
    categories = {name: (one.category, one.needs_coords) for name, one in AugmentSettings().named()}
    assert categories == {
        "density_subsampling": ("selection", True),
        "spatial_crop": ("selection", True),
        "random_subsampling": ("selection", False),
        "region_drop": ("selection", True),
        "instance_dropout": ("selection", False),
        "local_feature_smooth": ("neighbourhood", True),
        "spatial_feature_interpolation": ("neighbourhood", True),
        "tissue_region_mixup": ("neighbourhood", True),
        "gaussian_noise": ("features", False),
        "feature_dropout": ("features", False),
        "coord_affine": ("coordinates", True),
        "spatial_grid_shuffle": ("coordinates", True),
        "coord_jitter": ("coordinates", True),
    }
    crops = [name for name, one in AugmentSettings().named() if getattr(one, "is_crop", False)]
    assert crops == ["density_subsampling", "spatial_crop", "random_subsampling"]
