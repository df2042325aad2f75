"""The record of the study: the learning curves of the three stages, shown beside their settings."""

from ldae.studies.common.study import Figure, FinishedTable, Note, Section, Study

TRAINING = Figure(
    "figure_training",
    public=True,
    title="Training",
    text=(
        "Losses of the three stages (means since the validation before; validation dashed) and other validation "
        "measures, against optimizer steps. Every loss is drawn, unweighted; one beyond the scale of the others (KL, "
        "summed over the latent) on the right axis. Stage 3 is drawn beside the frozen stage 2, which it must beat."
    ),
    alternative="Learning curves of autoencoder, latent diffusion and representation stages.",
    keys=("stage", "step"),
)

STUDY = Study(
    name="training_curves",
    needs=frozenset({"training"}),
    order=80,
    on_test_scans=False,
    splits=("train", "validation"),
    sections=(
        Section(
            "training",
            "Training",
            (
                TRAINING,
                FinishedTable("settings_autoencoder", "Table 2. Stage 1, autoencoder"),
                FinishedTable("settings_diffusion", "Table 3. Stage 2, latent diffusion"),
                FinishedTable("settings_representation", "Table 4. Stage 3, semantic encoder and gradient estimator"),
                Note(
                    "Table 5, device hours and seconds per scan, differs between two runs: it stands in paper/timings "
                    "beside this page."
                ),
                Note(
                    "Source: where the paper's value stands. Some that it prints have lost their number in its text; "
                    "these are taken from the authors' published configuration, and the source says so."
                ),
            ),
        ),
    ),
)
