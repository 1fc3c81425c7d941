"""Methods of pretraining: one file per method, one line each in `registry`, their settings in `settings`."""
