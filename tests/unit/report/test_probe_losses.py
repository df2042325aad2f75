"""The report names what the codes lose to."""

import pandas as pd

from ldae.core.files import write_tsv
from ldae.studies.probes.words import loss_sentences


def test_losses_are_sentences_with_the_rivals_names(tmp_path):
    columns = [
        "method",
        "metric",
        "value",
        "low",
        "high",
        "n_subjects",
        "n_rows",
        "redrawn",
        "n_replicates",
        "note",
        "p_holm",
    ]
    rows = [
        ("ldae-region_volumes", "auc_ad_cv", -0.1, -0.2, -0.01, 30, 60, 0, 200, None, 0.01),
        ("ldae-untrained_encoder", "auc_ad_cv", 0.1, 0.05, 0.2, 30, 60, 0, 200, None, 0.01),
        ("ldae-dae", "age_mae_test_paper", 1.0, 0.5, 2.0, 30, 60, 0, 200, None, 0.01),
        ("ldae-oracle", "age_mae_cv", 1.0, -0.5, 2.0, 30, 60, 0, 200, None, 0.01),
    ]
    write_tsv(tmp_path / "probes/differences.tsv", pd.DataFrame(rows, columns=columns))
    assert loss_sentences(tmp_path) == [
        "AUC, AD against CN, cross-validated: Ventricles, hippocampi",
        "age error, MAE (years) (the paper&#39;s protocol): Voxel-space DAE",
    ]
    assert loss_sentences(tmp_path / "nothing") == []
