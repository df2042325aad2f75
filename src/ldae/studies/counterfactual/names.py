"""What is compared and measured, by name: the words for it stand in the record."""

EDITS = ("ldae_probe", "ldae_mean_difference", "ldae_lda", "ldae_regression")
CONTROLS = ("age", "sex", "random")  # directions that are no edit of the diagnosis
UNTRAINED = "untrained"
NULL = "null"  # no edit: what the networks alone make of a scan
TRUE_CODE, TRUE_AE, TRUE, NOISE = "true_code", "true_ae", "truth", "noise"  # on phantoms
METHODS = (*EDITS, *CONTROLS, UNTRAINED, NULL, TRUE_CODE, TRUE_AE, TRUE, NOISE)
INDEPENDENT = "independent_probe"
NO_EDIT, PAPERS, RANDOM, AGE = "no_edit", "ldae_probe", "random", "age"  # what differences are taken from

SIZES = ("ventricle_ml_amount", "ventricle_ml_r_truth", "hippocampus_region_ml_amount")
OWN = "ventricle_ml_r_own"
OVER_SUBJECTS = (*SIZES, OWN)  # not a mean over scans
PICTURE = ("image_error", "image_cosine", "image_amount", "outside_share", "code_cosine")
ERROR_ML = "ventricle_ml_change_mapped_error_truth"
AGAINST_TRUTH = (*PICTURE, ERROR_ML, *SIZES)
EFFECTS = ("independent_effect", "own_effect")
OF_NO_EDIT = ("composition_mae", "composition_mae_ae")
TAKEN_BACK = ("back_mae", "back_share")
RIVALS = ("image_error", "image_cosine", "outside_share", ERROR_ML)  # in which edits are held against the paper's
LARGER = ("image_cosine", "independent_effect")  # of these more is better, of the other compared ones less
