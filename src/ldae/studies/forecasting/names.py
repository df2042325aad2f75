"""What is compared and measured, by name: the words for it stand in the record."""

COPY, UNMOVED = "copy_last", "ldae_copy"  # no forecast at all: the last scan, and the last scan decoded
SLOPE, MEAN_SLOPE, RIDGE = "ldae_slope", "ldae_mean_slope", "ldae_ridge"
OURS = (SLOPE, MEAN_SLOPE, RIDGE)
VOXEL_SLOPE, VOXEL_MEAN = "voxel_slope", "voxel_mean_change"
LATENT_SLOPE, LATENT_MEAN, LATENT_COPY = "latent_slope", "latent_mean_change", "latent_copy"
VOLUME_RIDGE, CARRIED = "volume_ridge", "carried_forward"  # without a picture, without a network
REVERSED, SHUFFLED = "ldae_reversed", "ldae_shuffled"  # controls that must fail
TRUE_CODE, TRUE_AE = "true_code", "ae"  # what has the future in it
METHODS = (
    *OURS,
    LATENT_SLOPE,
    LATENT_MEAN,
    VOXEL_SLOPE,
    VOXEL_MEAN,
    VOLUME_RIDGE,
    CARRIED,
    COPY,
    LATENT_COPY,
    UNMOVED,
    REVERSED,
    SHUFFLED,
    TRUE_CODE,
    TRUE_AE,
)
OF_TWO = (SLOPE, LATENT_SLOPE, VOXEL_SLOPE, SHUFFLED)  # need a slope of the subject's own
FROM_VOXELS = (COPY, VOXEL_SLOPE, VOXEL_MEAN)  # all other pictures are decoded
BASE = {  # picture of the last visit that a method's change is taken from
    **dict.fromkeys(FROM_VOXELS, COPY),
    **dict.fromkeys((LATENT_SLOPE, LATENT_MEAN, LATENT_COPY, TRUE_AE), LATENT_COPY),
    **dict.fromkeys((*OURS, UNMOVED, REVERSED, SHUFFLED, TRUE_CODE), UNMOVED),
}

IMAGE = ("ssim_w11_brain", "mae_brain")
VENTRICLES, HIPPOCAMPUS = "ventricle_ml_step_error", "hippocampus_region_ml_step_error"
VENTRICLE_R = "ventricle_ml_step_r"
VENTRICLES_WHOLE = "ventricle_ml_error_mapped"
STEPS = (VENTRICLES, HIPPOCAMPUS)
STEPS_TRUTH = ("ventricle_ml_step_error_truth", "hippocampus_ml_step_error_truth")
CODE, FUTURE_AD, FUTURE_MMSE = "code_error", "auc_future_ad", "future_mmse_mae"
FUTURE = (FUTURE_AD, FUTURE_MMSE)
METRICS = (*IMAGE, VENTRICLES_WHOLE, *STEPS, VENTRICLE_R, *STEPS_TRUTH, CODE, *FUTURE)
LARGER = ("ssim_w11_brain", VENTRICLE_R, FUTURE_AD)  # of these more is better, of the others less
