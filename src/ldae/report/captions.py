"""Title, caption and alternative text of every figure: what is shown, of how many, and how it was computed."""

from dataclasses import dataclass

PICTURES = (
    "Pictures are in radiological convention (the subject's right on the left), all on one grey scale from 0 to 1, "
    "smoothed for display only; difference maps of one figure share one symmetric scale."
)
INTERVALS = "Lines and brackets are 95 % percentile intervals over resampled subjects."


@dataclass(frozen=True)
class Caption:
    title: str
    text: str
    alternative: str


CAPTIONS = {
    "figure_1_method": Caption(
        "Figure 1. The method",
        "The three stages of training and the use of the trained networks, with shapes and parameter counts of this "
        "configuration. In stage 3 the UNet of stage 2 is frozen and the gradient estimator works on its features; "
        "s<sub>t</sub> is the square root of 1 − ᾱ<sub>t</sub>. α w: a step along the direction of a linear probe.",
        "Scheme of autoencoder, latent diffusion, representation learning and use of the codes.",
    ),
    "figure_2_encoder": Caption(
        "Figure 2. The semantic encoder",
        "Axial slices go through one two-dimensional network. Their features, with a fixed encoding of their places, "
        "are averaged with learned weights; the average asks the slices once more by cross-attention. Shapes and "
        "parameter counts are those of this configuration.",
        "Scheme of the semantic encoder from volume over slices and attention to the semantic code.",
    ),
    "figure_cohort": Caption(
        "The cohort",
        "a, scans that entered each step and why the others were left out. b, visits of every subject (one row each; "
        "a large cohort is thinned evenly), marked by the diagnosis at the visit. c, age at scan. d, subjects in each "
        "split by last diagnosis; a subject is in one split only, and splits are made before any class is selected.",
        "Flow chart of included and excluded scans, timeline of visits by diagnosis, ages, and sizes of the splits.",
    ),
    "figure_qc": Caption(
        "Quality control of preprocessing",
        "Preprocessed scans with the outline of their brain mask, as preprocessing drew them for review.",
        "Mosaic of preprocessed brains with mask outlines.",
    ),
    "figure_3_autoencoder": Caption(
        "Figure 3. Autoencoder",
        "Two test scans, their reconstructions from posterior means, and the signed difference. " + PICTURES,
        "Scan, reconstruction and difference map in axial, coronal and sagittal planes for two test subjects.",
    ),
    "figure_reconstruction_methods": Caption(
        "Reconstruction by method",
        "Test scans reconstructed by the autoencoder alone; by the diffusion model from an encoded x<sub>T</sub>, with "
        "and without y<sub>sem</sub>; from y<sub>sem</sub> and a random x<sub>T</sub>; from another subject's "
        "y<sub>sem</sub>; by the voxel-space diffusion autoencoder (DAE), up-sampled from its coarser grid or compared "
        "there with the scan on that grid; and what all have to beat: the mean training brain, the training scan of "
        "the same sex and nearest age. a, structural similarity in the brain "
        "(Gaussian window of 11 voxels). b, peak signal-to-noise ratio. c, structural similarity of the whole box "
        "with the paper's window of 3 voxels. d, correlation of ventricle volumes measured in the reconstructions with "
        "the true ones, or with those of the scans where no truth is known. " + INTERVALS,
        "Reconstruction methods compared on similarity, signal-to-noise ratio and ventricle volume.",
    ),
    "figure_solvers": Caption(
        "Quality against cost",
        "The same test scans with every solver and number of steps of the configuration: network calls in each "
        "direction, so an encoded x<sub>T</sub> costs twice as many as a random one. a and b, structural similarity in "
        "the brain and of the whole box. c, peak signal-to-noise ratio. d, standard deviation of the inverted "
        "x<sub>T</sub>, which is 1 where inversion ends in noise. " + INTERVALS,
        "Curves of similarity, signal-to-noise ratio and spread of the inverted code against network calls.",
    ),
    "figure_reconstruction_examples": Caption(
        "Reconstructions side by side",
        "One axial slice of two test scans, reconstructed by every method, with signed differences. " + PICTURES,
        "Axial slices reconstructed by each method with difference maps.",
    ),
    "figure_4_variation": Caption(
        "Figure 4. What y<sub>sem</sub> leaves open",
        "Samples decoded from one scan's y<sub>sem</sub> and different random x<sub>T</sub>, and the voxelwise "
        "standard deviation over all samples of that scan. " + PICTURES,
        "A scan, several samples from its semantic code, and a map of their standard deviation.",
    ),
    "figure_samples": Caption(
        "Unconditional samples",
        "a and b, kernel distance (unbiased, third-degree polynomial) of as many samples, reconstructed and real "
        "held-out scans from the training scans, one scan per subject, in the features of the semantic encoder and in "
        "those of the autoencoder's latent (mean and spread per octant); held-out scans are the floor. c, distance of "
        "each sample and scan to the nearest training scan; d, that distance divided by the one to the nearest scan of "
        "any other subject, near 0 for a copy. All have gone through the autoencoder; training scans so treated show "
        "what copies would look like. Bands and brackets are 95 % bootstrap intervals over subjects or samples.",
        "Distances of samples and held-out scans from training scans, and cumulative distributions of the nearest one.",
    ),
    "figure_samples_nearest": Caption(
        "Samples that stand out most towards one training scan",
        "The unconditional samples with the lowest ratio of the distance to the nearest training scan and to the "
        "nearest scan of another subject, and that training scan (named above). " + PICTURES,
        "Samples, their nearest training scans and differences.",
    ),
    "figure_5_lda": Caption(
        "Figure 5. Diagnosis in the semantic space",
        "Linear discriminant analysis of y<sub>sem</sub>, fitted on training subjects alone and applied to the others. "
        "a, every scan on the two axes of AD, MCI and CN. b and c, densities of AD and CN along the one axis fitted to "
        "these two; each tick is one scan. The separation among training subjects is optimistic; that among test "
        "subjects shows what generalises.",
        "Scatter of scans on two discriminant axes by diagnosis, and densities of training and test scans.",
    ),
    "figure_6_manipulation": Caption(
        "Figure 6. Moving a scan along the diagnosis probe",
        "The codes of two test scans are moved along the unit direction of a probe fitted on training subjects until "
        "the probe gives the stated probability of AD (α: distance in standardised units; ml: ventricles measured in "
        "the decoded picture), and decoded with the scan's own x<sub>T</sub>. Below each, its difference from the "
        "decoding of the unmoved code. True counterfactual, for phantoms: the same head, made again with the stage of "
        "the disease that the change of the probe's logit stands for among the training subjects (ml: true "
        "ventricles), beside the clean twin of the scan. For the first scan also the paper's fixed steps. " + PICTURES,
        "Strips of decoded brains over probabilities of AD with difference maps, and true counterfactuals below.",
    ),
    "figure_7_dose_response": Caption(
        "Figure 7. Dose and response",
        "a, change of the measured ventricles against the probability aimed at: thin lines are subjects, points "
        "medians by diagnosis; where the truth is known, the dashed line is the true counterfactual and the solid one "
        "the median change in true ml, by the line fitted on reconstructions of training scans. b, tissue in the "
        "region of the hippocampi, by the same estimator. c, what the probe says of the decoded volume when it "
        "is encoded again. d, the ends of the calibrated steps for the probe and its controls of equal length. e, the "
        "paper's fixed steps: scans with AD move towards CN, the others towards AD. f, similarity to the scan outside "
        "both regions, less the autoencoder's, absolute; colours as in d; the dashed line is 0.05. " + INTERVALS,
        "Ventricles, hippocampal region and probability against the dose, with controls and changes elsewhere.",
    ),
    "figure_8_interpolation": Caption(
        "Figure 8. Predicting a scan between two visits",
        "Every triplet of visits of test subjects; the place between the outer two is taken from the dates of the "
        "scans (and, as the paper does, from the visits' names: one row). a, similarity of prediction and scan in the "
        "brain. b, error of the predicted ventricles: against the truth where it is known (a line fitted on training "
        "scans turns measured into true volumes, for decoded volumes one fitted on reconstructions of training scans), "
        "otherwise against the scan. c, the paper's measure: similarity to "
        "the autoencoder's reconstruction of the target, in a small window, background included; d, mean squared error "
        "against the same. Below, a to c by "
        "the months between the known visits, by the months to the nearer one, and by the place between them. "
        + INTERVALS,
        "Interpolation methods compared overall and against the time between visits.",
    ),
    "figure_9_interpolation_examples": Caption(
        "Figure 9. Interpolated visits",
        "The longest triplet of each of two test subjects. Below each picture its difference from the target scan. "
        + PICTURES,
        "Start, target and end scans with predictions of each method and difference maps.",
    ),
    "figure_probes": Caption(
        "Linear probes",
        "Logistic and ridge regression on fixed features: y<sub>sem</sub>, the codes of the paper's rivals, the same "
        "encoder before training, principal components of voxels, volumes measured in the scans, demographics (sex, "
        "field strength, and for the diagnosis age), and, for a phantom, the true volumes. Top: folds grouped by "
        "subject; the encoder itself has seen the training scans there, the supervised ones their labels, so these are "
        "not shown. Below: fitted on training and validation subjects, applied to test subjects, whom nothing was "
        "trained on. AD is the positive class. " + INTERVALS,
        "AUC and age error of linear probes on each kind of features.",
    ),
    "figure_label_efficiency": Caption(
        "How many labels a probe needs",
        "Probes fitted on the labels of a part of the training and validation subjects (nested subsets, diagnoses in "
        "proportion; means over random draws), measured on the test subjects. Only labels are taken away: "
        "the codes are those of encoders that saw every training scan. A part too small for two classes has no point. "
        + INTERVALS,
        "AUC and age error against the number of labelled training subjects for each kind of features.",
    ),
    "figure_confounds": Caption(
        "What else the codes know",
        "a and b, field strength and study phase read from the codes by logistic regression, cross-validated by "
        "subject (mean AUC of one class against the rest; 0.5 is chance). A code from which the scanner can be read "
        "may owe part of its diagnosis to it. c, AUC of the diagnosis among scans of one field strength. d, error of "
        "age among controls alone. " + INTERVALS,
        "AUC of scanner field strength and study phase, and the main results with confounds held fixed.",
    ),
    "figure_training": Caption(
        "Training",
        "Losses of the three stages (means since the validation before; validation dashed) and other validation "
        "measures, against optimizer steps. Stage 3 is drawn beside the frozen stage 2, which it must beat.",
        "Learning curves of autoencoder, latent diffusion and representation stages.",
    ),
}
