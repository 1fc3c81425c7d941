"""The table `[pretrain.augment]`: one line per augmentation, in the order of their application. No torch, no numpy."""

from __future__ import annotations

from pydantic import Field

from oceanpath.bags.augment.base import Augmentation, CoordTransform, Perturbation, Selection
from oceanpath.bags.augment.coord_affine import CoordAffine
from oceanpath.bags.augment.coord_jitter import CoordJitter
from oceanpath.bags.augment.density_subsampling import DensitySubsampling
from oceanpath.bags.augment.feature_dropout import FeatureDropout
from oceanpath.bags.augment.gaussian_noise import GaussianNoise
from oceanpath.bags.augment.instance_dropout import InstanceDropout
from oceanpath.bags.augment.local_feature_smooth import LocalFeatureSmooth
from oceanpath.bags.augment.random_subsampling import RandomSubsampling
from oceanpath.bags.augment.region_drop import RegionDrop
from oceanpath.bags.augment.spatial_crop import SpatialCrop
from oceanpath.bags.augment.spatial_feature_interpolation import SpatialFeatureInterpolation
from oceanpath.bags.augment.spatial_grid_shuffle import SpatialGridShuffle
from oceanpath.bags.augment.tissue_region_mixup import TissueRegionMixup
from oceanpath.settings import Settings


class AugmentSettings(Settings):
    """Augmentations in the order of their application; `probability = 0` switches one off."""

    density_subsampling: DensitySubsampling = Field(default_factory=DensitySubsampling)
    """Subsampling that prefers patches in sparse tissue."""
    spatial_crop: SpatialCrop = Field(default_factory=SpatialCrop)
    """Crop of a rectangle, if the view is not subsampled by density."""
    random_subsampling: RandomSubsampling = Field(default_factory=RandomSubsampling)
    """Uniform subsampling, if the view is neither subsampled by density nor cropped."""
    region_drop: RegionDrop = Field(default_factory=RegionDrop)
    """Removal of rectangles."""
    instance_dropout: InstanceDropout = Field(default_factory=InstanceDropout)
    """Removal of single patches."""
    local_feature_smooth: LocalFeatureSmooth = Field(default_factory=LocalFeatureSmooth)
    """Blending with the neighbours on the slide."""
    spatial_feature_interpolation: SpatialFeatureInterpolation = Field(default_factory=SpatialFeatureInterpolation)
    """Interpolation towards a neighbour on the slide."""
    tissue_region_mixup: TissueRegionMixup = Field(default_factory=TissueRegionMixup)
    """Blending with the mean of another region."""
    gaussian_noise: GaussianNoise = Field(default_factory=GaussianNoise)
    """Noise relative to the standard deviation of each feature."""
    feature_dropout: FeatureDropout = Field(default_factory=FeatureDropout)
    """Removal of features."""
    coord_affine: CoordAffine = Field(default_factory=CoordAffine)
    """Rotation, reflection and scaling of the layout."""
    spatial_grid_shuffle: SpatialGridShuffle = Field(default_factory=SpatialGridShuffle)
    """Exchange of the cells of a grid."""
    coord_jitter: CoordJitter = Field(default_factory=lambda: CoordJitter(probability=0.0))
    """Random displacement of patches; off by default (`probability = 0`)."""

    @classmethod
    def off(cls) -> AugmentSettings:
        """Every augmentation switched off."""
        return cls.model_validate({name: {"probability": 0.0} for name in cls.model_fields})

    def active(self, has_coords: bool) -> AugmentSettings:
        """The same with every augmentation switched off that needs coordinates, if there are none."""
        off = {name: getattr(self, name).model_copy(update={"probability": 0.0}) for name in self.left_out(has_coords)}
        return self.model_copy(update=off)

    def left_out(self, has_coords: bool) -> list[str]:
        """Names of the augmentations that are on but need coordinates that the store does not have."""
        return [name for name, one in self.named() if one.needs_coords and one.probability > 0.0 and not has_coords]

    def named(self) -> list[tuple[str, Augmentation]]:
        """Name and settings of each augmentation, in order."""
        return [(name, getattr(self, name)) for name in type(self).model_fields]

    def selections(self) -> list[Selection]:
        """Selections that are on, in order."""
        return [one for _, one in self.named() if isinstance(one, Selection) and one.probability > 0.0]

    def perturbations(self) -> list[tuple[str, Perturbation]]:
        """Perturbations that are on, with their names, in order."""
        return [(name, one) for name, one in self.named() if isinstance(one, Perturbation) and one.probability > 0.0]

    def transforms(self) -> list[CoordTransform]:
        """Coordinate transforms that are on, in order."""
        return [one for _, one in self.named() if isinstance(one, CoordTransform) and one.probability > 0.0]
