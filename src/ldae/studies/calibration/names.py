"""What is measured and compared, by name: the words for it stand in the record."""

CALL_ALL = "call_everybody"
METRICS = ("brier_ad", "calibration_slope_ad", "calibration_in_the_large_ad")
AGE_COVERAGE = "age_coverage"
PROTOCOLS = {"cv": "cross-validated", "test": "test subjects"}
