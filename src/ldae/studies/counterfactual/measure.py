"""Edits of the diagnosis in y_sem, held to what a counterfactual must be, and on phantoms to the true one.

Every chosen test scan is moved to the other diagnosis by every edit, by directions that are no such edit, and by the
same network before its training; x_T is kept. On phantoms the head is made again at the other stage, and three more
rows say what could be had: the true change itself, the true change as the autoencoder sees it, and the change that the
encoder itself sees, decoded. Noise as large as the true change is the row that must fail.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Counterfactual, Evaluation
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_tsv
from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.core.lineage import require
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import SAME_SCORE, Probe
from ldae.studies.common.by_diagnosis import chosen
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.common.statistics import estimates_table
from ldae.studies.common.ventricle_truth import VentricleCalibration
from ldae.studies.counterfactual.bench import Bench
from ldae.studies.counterfactual.directions import class_gap, whole_steps
from ldae.studies.counterfactual.estimates import NO_OPINION, NO_TRUTH, differences, no_summary, summary
from ldae.studies.counterfactual.names import AGAINST_TRUTH
from ldae.studies.counterfactual.second_opinion import SecondOpinion
from ldae.studies.counterfactual.truth import Truth

COLUMNS = [
    *KEY,
    "diagnosis",
    "method",
    "request",
    "image_error",
    "image_cosine",
    "image_amount",
    "outside_share",
    "code_cosine",
    "scan_ventricle_ml",
    "ventricle_ml_change",
    "ventricle_ml_change_mapped",
    "ventricle_ml_change_truth",
    "ventricle_ml_change_mapped_error_truth",
    "hippocampus_region_ml_change",
    "hippocampus_region_ml_change_truth",
    "independent_effect",
    "own_effect",
    "composition_mae",
    "composition_mae_ae",
    "back_mae",
    "back_share",
]


def run_counterfactual(
    ldae: LDAE,
    untrained: Callable[[], LDAE] | None,
    inputs: Inputs,
    probe_json: Path,
    settings: Counterfactual,
    evaluation: Evaluation,
    seed: int,
    out: Path,
    truth: Truth | None = None,
    pieces: Pieces = WHOLE,
) -> None:
    """Write scans, summary and differences (.tsv) into ``out``.

    Read: y_sem of every scan, trained and untrained; x_T is made here, with the study's own solver.

    Args:
        untrained: loads the chain as it was before stage 3.
        probe_json: written by run_probes.
        pieces: where the rows of every scan are kept until all are there.

    Raises:
        UserError: a probe of other codes.
    """
    content = read_json(probe_json)
    if "imported" not in content:
        require(f"{probe_json} was fitted to other codes", content.get("codes"), inputs.code_store("y_sem").digest)
    reason = content.get("reason") or (SAME_SCORE if Probe.from_json(content).flat else None)
    rows = chosen(
        inputs.scans, inputs.first_scans("test").tolist(), settings.subjects, study_stream(seed, "counterfactuals")
    )
    fitted = inputs.rows("train", "validation")
    fitted = fitted[inputs.scans.loc[fitted, "diagnosis"].isin(["CN", "AD"]).to_numpy()]
    if reason is None and inputs.scans.loc[fitted, "diagnosis"].nunique() < 2:
        reason = "the training subjects have no scan with AD, or none of a control"
    if reason is None and not rows:
        reason = "no test subject is known to have AD, MCI or neither"
    if reason is not None:
        write_tsv(out / "scans.tsv", pd.DataFrame(columns=COLUMNS))
        write_tsv(out / "summary.tsv", no_summary(reason))
        write_tsv(out / "differences.tsv", differences(pd.DataFrame(columns=COLUMNS), 1, seed))
        return
    bench = _bench(ldae, untrained, inputs, Probe.from_json(content), settings, evaluation, seed, truth)
    found: Rows = []
    for row in rows:
        found += pieces.rows(inputs.scan_id(row), Reads(inputs, []), partial(bench.lines, row))
    table = pd.DataFrame(found).reindex(columns=COLUMNS)
    missing = {name: str(step) for name, step in bench.steps.items() if not isinstance(step, np.ndarray)}
    write_tsv(out / "scans.tsv", table)
    unknown = {} if truth is not None else dict.fromkeys(AGAINST_TRUTH, NO_TRUTH)
    unknown |= {} if bench.opinion.gap > 0 else {"independent_effect": NO_OPINION}
    told = summary(table, missing, unknown, evaluation.bootstrap, seed)
    write_tsv(out / "summary.tsv", estimates_table([*told, bench.opinion_on_test()]))
    write_tsv(out / "differences.tsv", differences(table, evaluation.bootstrap, seed))
    pieces.clear()


def _bench(
    ldae: LDAE,
    untrained: Callable[[], LDAE] | None,
    inputs: Inputs,
    probe: Probe,
    settings: Counterfactual,
    evaluation: Evaluation,
    seed: int,
    truth: Truth | None,
) -> Bench:
    """Directions and scales, fitted on training and validation subjects."""
    rows = inputs.rows("train", "validation")
    scans, codes = inputs.scans.loc[rows], inputs.code("y_sem", rows).astype(float)
    if codes.shape[1] != len(probe.weight):
        raise UserError("The probe belongs to codes of another length; run fit_probes again.")
    ends = rows[scans["diagnosis"].isin(["CN", "AD"]).to_numpy()]
    sampling = settings.sampling or evaluation.sampling
    decoder = Decoder(_with(ldae, sampling.solver, sampling.steps), evaluation.batch, evaluation.volumes)
    before, step = None, np.empty(0)
    if untrained is not None:
        chain = _with(untrained(), sampling.solver, sampling.steps)
        before = Decoder(chain, evaluation.batch, evaluation.volumes)
        step = class_gap(inputs.code("y_sem_untrained", rows).astype(float), scans["diagnosis"])
    return Bench(
        decoder,
        before,
        inputs,
        probe,
        whole_steps(probe.standardise(codes), scans, probe.weight),
        step,
        SecondOpinion.fit(inputs, ends, evaluation.batch, seed),
        VentricleCalibration.fit(decoder, inputs, evaluation.calibration_scans, seed),
        truth,
        seed,
    )


def _with(ldae: LDAE, solver: str, steps: int) -> LDAE:
    same = (ldae.sampling.solver, ldae.sampling.steps) == (solver, steps)
    return ldae if same else ldae.with_sampling(solver, steps)
