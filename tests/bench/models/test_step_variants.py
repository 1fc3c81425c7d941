"""The batch of the training step."""

from __future__ import annotations

from oceanpath.bench.models.step_variants import log_normal_batch


def test_the_batch_has_the_usual_padding() -> None:
    batch = log_normal_batch(16, 300, 2)
    assert len(batch) == 16
    assert 2.5 < 16 * int(batch.lengths.max()) / len(batch.features) < 3.8
