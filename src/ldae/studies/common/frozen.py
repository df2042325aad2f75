"""What a study cannot have on a frozen model (``model:``), and why: nothing is fitted on such a cohort."""

NO_BASELINE = "the model is frozen: this baseline would have to be trained"
NO_TRAINING_SCANS = "the model is frozen: its training scans are not here"
NOT_FITTED = "the model is frozen: nothing is fitted on this cohort"
