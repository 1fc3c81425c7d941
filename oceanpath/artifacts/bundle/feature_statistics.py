"""Statistics of the training slides' mean features, by which slides unlike them are recognised.

    feature_statistics.safetensors   mean [D] and whitening [D, D], float32

The distance of a slide is the Mahalanobis distance |W (x - m)| of the mean x of its patch features, where m is the mean
over the training slides and W the inverse Cholesky factor of their covariance, shrunk after Ledoit and Wolf, "A
well-conditioned estimator for large-dimensional covariance matrices" (2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from oceanpath.errors import ArtifactError


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and whitening matrix of the mean features of training slides."""

    mean: NDArray[np.float32]
    """[D]."""
    whitening: NDArray[np.float32]
    """[D, D], lower triangular."""

    def distance(self, bag: NDArray[np.floating]) -> float:
        """The distance of a slide from the training slides, by its patch features [n, D]."""
        return float(self.distances(bag.mean(axis=0, dtype=np.float64)[None])[0])

    def distances(self, means: NDArray[np.floating]) -> NDArray[np.float64]:
        """The distances [S] of slides, by their mean features [S, D]."""
        whitened = (means - self.mean) @ self.whitening.T.astype(np.float64)
        distances: NDArray[np.float64] = np.sqrt(np.square(whitened).sum(axis=1))
        return distances

    def render(self) -> bytes:
        """The bytes of feature_statistics.safetensors."""
        return save({"mean": self.mean, "whitening": np.ascontiguousarray(self.whitening)})

    @classmethod
    def parse(cls, content: bytes, dim: int) -> FeatureStatistics:
        """What `render` wrote. Raises: ArtifactError: the content is not of this form, or for other features."""
        try:
            parts = load(content)
        except SafetensorError as error:
            raise ArtifactError("the feature statistics cannot be read", got=error) from error
        shapes = {name: part.shape for name, part in parts.items()}
        if shapes != {"mean": (dim,), "whitening": (dim, dim)}:
            raise ArtifactError(
                "the feature statistics have other shapes", expected=f"[{dim}], [{dim}, {dim}]", got=shapes
            )
        return cls(parts["mean"], parts["whitening"])
