"""Statistics of predictions with numpy and scipy alone: discrimination, calibration, thresholds, intervals and tests.

Reads arrays, writes nothing. Fails when arrays disagree in length (StageError) or a patient has two labels
(ExperimentError). A number that cannot be computed is an `Estimate` with value None and a reason, never NaN.

Throughout, a *measure* is a function of weights [R, n] (how often each of n rows counts in each of R resamples) that
returns {metric: values [R]}, NaN where undefined. Weights of one give the number itself; see `resample`.
"""
