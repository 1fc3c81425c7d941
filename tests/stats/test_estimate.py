import json

from oceanpath.stats.estimate import Estimate


def test_a_record_is_finite_json_and_an_undefined_one_has_its_reason():
    full = Estimate(0.8, 0.7, 0.9, 50, 40, 2000, 3).record()
    assert full == {
        "value": 0.8, "low": 0.7, "high": 0.9, "n": 50, "n_patients": 40, "resamples": 2000, "redrawn": 3,
    }  # fmt: skip
    gone = Estimate(None, n=3, reason="the rows hold one class only").record()
    assert gone["value"] is None and gone["reason"] and json.dumps(gone, allow_nan=False)
    no_interval = Estimate(0.8, n=2, n_patients=1, reason="one patient only").record()
    assert no_interval["value"] == 0.8 and no_interval["low"] is None and no_interval["reason"]
