"""What a study cannot have on a frozen model (``model:``) or without rivals (``baselines: false``), and why."""

NO_BASELINE = "this baseline was not trained here (a frozen `model`, or `baselines: false`)"
NO_TRAINING_SCANS = "the model is frozen: its training scans are not here"
NOT_FITTED = "the model is frozen: nothing is fitted on this cohort"
