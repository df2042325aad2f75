"""What is measured and compared, by name: the words for it stand in the record."""

HORIZON = 36  # months
FEWEST = 5  # conversions to fit on, and to measure on
OURS, ADDED, CLINICAL = "ldae", "ldae_clinical", "clinical"
PERMUTED, ORACLE = "permuted_times", "oracle"
RIVALS = ("untrained_encoder", "pca_voxels", "region_volumes", "mmse", "age", CLINICAL)
METHODS = (OURS, *RIVALS, ADDED, PERMUTED, ORACLE)
PROTOCOLS = {"cv": "cross-validated", "test": "test subjects"}

UNO, DYNAMIC, STABLE = "uno_c", "auc_36m", "auc_smci_pmci_36m"
BRIER, SLOPE, LARGE = "brier_36m", "calibration_slope_36m", "calibration_in_the_large_36m"
METRICS = (UNO, DYNAMIC, STABLE, BRIER, SLOPE, LARGE)
COMPARED = {UNO: True, DYNAMIC: True, BRIER: False}  # metric -> whether a larger one is better

FREE, SAID, SEEN = "not_converted", "risk_36m", "converted_36m"
THIRDS = ("lowest third", "middle third", "highest third")
MONTHS = (0, 6, 12, 18, 24, 30, HORIZON)  # at which a curve is told
NO_TRUTH = "the true course is known of phantoms alone"
