"""A visit from the visits around it (paper 4.5, Figs. 8 and 9), beside what needs no network: copying and averaging."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.batches import batches
from ldae.core.files import write_tsv
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.anatomy.ventricle_truth import VentricleCalibration
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import Inputs, volumes_of, write_volumes
from ldae.studies.common.statistics import estimates_table, interval, mean, not_available, paired_differences, summarise
from ldae.studies.interpolation.predictors import METHODS, interpolate
from ldae.studies.interpolation.scores import BY_KIND, METRICS, ONE_LINE, keys_of, measure
from ldae.studies.interpolation.triplets import Triplet, find_triplets, longest

RIVALS = ["copy_nearest", "voxel_lerp", "latent_lerp", "y_only", "x_T_only", "ldae_months"]
PAIRS = [("ldae", rival) for rival in RIVALS]
GROUPINGS = ["gap_months", "prediction_gap_months", "position"]
GROUPED_METRICS = ["ssim_w11_brain", "mse", "ssim_w4_paper", "mse_vs_ae", "ventricle_ml_error"]
EXAMPLES = 2
KEYS = ["participant_id", "session_start", "session_target", "session_end"]
GROUP_KEYS = ("method", "metric", "grouping", "level")
COLUMNS = [
    *KEYS,
    "months_start",
    "months_target",
    "months_end",
    "gap_months",
    "prediction_gap_months",
    "alpha",
    "alpha_months",
    "position",
    "method",
    *METRICS,
]


def run_interpolation(ldae: LDAE, inputs: Inputs, settings: Evaluation, seed: int, out: Path) -> None:
    """Write triplets, summary, differences, by_group, reads, ventricle_calibration (.tsv) into ``out``, and examples/
    where there is a triplet.

    Read: y_sem of every scan, and the x_T of ``ldae``'s solver with y_sem (:class:`Reads`).

    Raises:
        UserError: no x_T of that key was computed.
    """
    triplets = find_triplets(inputs.scans, settings.max_triplets)
    decoder, reads = Decoder(ldae, settings.batch), Reads(inputs, [(ldae, True)])
    calibration = VentricleCalibration.fit(decoder, inputs, settings.calibration_scans, seed)
    write_tsv(out / "ventricle_calibration.tsv", calibration.table())
    rows, shown = [], longest(inputs.scans, triplets, EXAMPLES)
    examples: dict[Triplet, dict[str, np.ndarray]] = {}
    for part in batches(np.arange(len(triplets)), settings.batch):
        chosen = [triplets[i] for i in part]
        results = interpolate(decoder, reads, chosen)
        rows += measure(decoder, inputs, chosen, results, calibration)
        for place, triplet in enumerate(chosen):
            if triplet in shown:
                examples[triplet] = {name: volumes[place, 0].copy() for name, volumes in results.items()}
    write_tsv(out / "reads.tsv", reads.table())
    _write_examples(inputs, {triplet: examples[triplet] for triplet in shown}, out)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.sort_values("method", key=lambda names: names.map(METHODS.index), kind="stable")
    write_tsv(out / "triplets.tsv", table)
    write_tables(table, settings.bootstrap, seed, out)


def write_tables(table: pd.DataFrame, bootstrap: int, seed: int, out: Path) -> None:
    """Estimates with intervals; every value is n/a with its reason when no test subject has three scans."""
    if table.empty:
        reason = not_available("no test subject has three scans")
        rows = [reason.row(method=method, metric=metric) for method in METHODS for metric in METRICS]
        write_tsv(out / "summary.tsv", estimates_table(rows))
        write_tsv(out / "by_group.tsv", estimates_table([], GROUP_KEYS))
    else:
        write_tsv(out / "summary.tsv", summarise(table, METRICS, bootstrap, seed))
        write_tsv(out / "by_group.tsv", by_group(table, bootstrap, seed))
    write_tsv(out / "differences.tsv", paired_differences(table, PAIRS, METRICS, bootstrap, seed, KEYS))


def by_group(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Estimates per method by months between the ends, by months to the nearer end, and by position between them."""
    metrics = [*GROUPED_METRICS, *(name for name in (ONE_LINE, BY_KIND) if table[name].notna().any())]
    rows = []
    for grouping in GROUPINGS:
        for (method, level), group in table.groupby(["method", grouping], sort=False):
            for metric in metrics:
                estimate = interval(group[metric], group["participant_id"], mean, bootstrap, seed)
                rows.append(estimate.row(method=method, metric=metric, grouping=grouping, level=level))
    return estimates_table(rows, GROUP_KEYS)


def _write_examples(inputs: Inputs, examples: dict[Triplet, dict[str, np.ndarray]], out: Path) -> None:
    """Scans and predictions of the shown triplets, in their order."""
    volumes, labels = [], []
    for triplet, results in examples.items():
        ends = {
            name: volumes_of(inputs, np.array([getattr(triplet, name)]))[0, 0] for name in ("start", "target", "end")
        }
        keys = keys_of(inputs.scans, triplet)
        label = {"participant_id": keys["participant_id"], "session_id": keys["session_target"]}
        about = {"alpha": keys["alpha"], "gap_months": keys["gap_months"]}
        shown = ends | {method: results[method] for method in METHODS}
        volumes += shown.values()
        labels += [label | {"method": name} | about for name in shown]
    write_volumes(out / "examples", volumes, labels)
