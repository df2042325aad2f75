"""What is compared and measured, by name: the words for it stand in the record."""

OURS, UNTRAINED, ORACLE, NOISE = "ldae", "untrained_encoder", "oracle", "noise"
LATENTS, PCA, VOLUMES = "latents_pooled", "pca_coarse", "region_volumes"
CODES = (OURS, LATENTS, PCA, VOLUMES, UNTRAINED, ORACLE, NOISE)
HARMONISED = "_combat"  # a code's name ends so after ComBat
NOT_HARMONISED = (ORACLE, NOISE)  # controls

PREDICTIONS = ("ad", "age")  # logit of AD, years
ICC = ("icc_2_1", "icc_3_1", "icc_retest")
PARTS = ("disease", "subject", "scanner", "subject_scanner", "repeat")
OF = ("code", *PREDICTIONS)
RELIABLE, GOAL = 0.75, 0.93  # an ICC is called good from 0.75 on (Koo & Li 2016); what predictions are to reach
DIMENSIONS = ("icc_2_1_code_median", "icc_3_1_code_median", "icc_2_1_code_good")
SCANNER = ("scanner_accuracy", "scanner_chance", "scanner_p")
READS = "auc_ad_test"  # what a prediction is worth, whatever its reliability
