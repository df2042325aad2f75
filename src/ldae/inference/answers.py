"""What `ldae apply` says of itself in the folder of its answers: README, and the meaning of its tables' columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.core.files import write_json, write_text, write_tsv

NOTE = "For research. These numbers are no diagnosis, and decoded volumes are no scans."
OUTSIDE_BIDS = ("index.html", "sub-*.html", "predictions.*", "codes.*")
ABOUT = f"""# What a trained model says of these scans

{NOTE}

Made by `ldae apply`. `index.html` shows every scan; `predictions.tsv` has a row for each, and `predictions.json` says
what its columns hold; `codes.tsv` has their semantic codes (y_sem). Below `sub-*/ses-*/anat` lie, unless codes alone
were asked for, the preprocessed scan (`desc-preproc_T1w`), the same decoded from its codes (`desc-reconstruction_T1w`),
moved to other probabilities of AD (`desc-AD90_T1w`: .9), and what that changes (`desc-AD90difference_T1w`).
`desc-ldae_T1w.json` is the record of a scan.
"""


def describe_answers(out: Path) -> None:
    """README and ``.bidsignore`` of the folder, before preprocessing writes those of derivatives alone; a README that
    is there stays."""
    if not (out / "README").exists():
        write_text(out / "README", ABOUT)
    ignored = out / ".bidsignore"
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
    if missing := [line for line in OUTSIDE_BIDS if line not in lines]:
        write_text(ignored, "\n".join([*lines, *missing]) + "\n")


COLUMNS = {  # of predictions.tsv -> what they hold
    "participant_id": "who was scanned",
    "session_id": "at which visit",
    "source": "the file or folder that was read",
    "status": "usual, unusual (of the model's own kind at most one scan in twenty), unknown (too few scans to compare "
    "with), or refused",
    "reason": "why it was refused",
    "qc": "quality control of the preprocessing: pass or warn",
    "qc_reason": "the metrics that decided it",
    "probability_ad": "of AD against CN, by the probe; no diagnosis",
    "age": "years, by the probe",
    "age_low": "years; the interval holds the age of a new subject with probability `coverage` (split conformal)",
    "age_high": "years",
    "coverage": "of the interval of age, guaranteed for scans of the model's own kind",
    "age_subjects": "number of held-out subjects by whose errors the interval of age was set",
    "age_note": "why there is no interval",
    "plane_x": "place on the first discriminant axis (CN to AD), in standard deviations within a diagnosis",
    "plane_y": "place on the second discriminant axis (MCI)",
    "code_distance": "Mahalanobis distance of y_sem to the training codes, over sqrt(dimension)",
    "code_percentile": "of code_distance among held-out scans of the model's cohort, 1 to 99",
    "image_error": "root mean square of what the autoencoder does not give back, within the brain",
    "image_percentile": "of image_error among held-out scans, 1 to 99",
    "look_distance": "Mahalanobis distance of statistics of the volume to the training scans', over sqrt(number)",
    "look_percentile": "of look_distance among held-out scans, 1 to 99",
    "mirror_deviation": "of the brain's asymmetry towards that of a mirror image, in standard deviations of the "
    "training scans",
    "mirror_percentile": "of mirror_deviation among held-out scans, 1 to 99",
    "stands_out": "the statistic that deviates most, in standard deviations of the training scans",
    "percentile": "how far out the most deviant of the four measures (code, image, look, mirror) is, beside the same "
    "maximum of held-out scans, 1 to 99: it can be lower than that of one of them; an image counts on both sides",
}


def write_predictions(out: Path, answers: Sequence[Mapping[str, Any]]) -> None:
    """predictions.tsv and, in predictions.json, what its columns hold."""
    write_tsv(out / "predictions.tsv", pd.DataFrame(answers).reindex(columns=list(COLUMNS)))
    described = {name: {"Description": words} for name, words in COLUMNS.items()}
    write_json(out / "predictions.json", described | {"Note": NOTE})
