"""A cohort on a frozen model: the model is taken over as it is, scored, and nothing of it changes."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trained import settings

from ldae.cohort.splits import all_test
from ldae.config import Evaluation, Method
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json, write_tsv
from ldae.core.store import open_store
from ldae.inference.encode import encode_codes
from ldae.inference.latents import encode_latents
from ldae.inference.model import LDAE
from ldae.report.adopted_model import adopt_model
from ldae.studies.common.inputs import read_inputs
from ldae.studies.probes.frozen import check_scores, score_probes

CHOSEN = settings()
FEW = Evaluation(bootstrap=50, label_fractions=[0.5, 1.0])


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def external(results, exported, tmp_path_factory) -> Path:
    """The test subjects of the model's own cohort as another cohort on the exported model, encoded."""
    folder = tmp_path_factory.mktemp("external")
    before = digests(exported)
    adopt_model(exported, folder, CHOSEN.preprocessing, "adni")
    shutil.copytree(results / "store/volumes", folder / "store/volumes")
    splits = folder / "manifest/splits.tsv"
    scans = read_tsv(results / "manifest/scans.tsv", dtype={"participant_id": str}).assign(status="included")
    write_tsv(splits, all_test(scans, "x"))
    volumes, latents, train = folder / "store/volumes", folder / "store/latents", folder / "train"
    encode_latents(volumes, train / "autoencoder", splits, latents)
    encode_codes(volumes, latents, splits, train, folder / "store/codes", CHOSEN.method, CHOSEN.evaluation.sampling)
    assert digests(exported) == before
    return folder


def scored(external: Path, out: Path, swapped: bool = False) -> Path:
    """What the rules fit_probes and eval_probe_checks write.

    Args:
        swapped: AD and CN are exchanged in the labels of the cohort.
    """
    inputs = read_inputs(external / "store", external / "manifest/splits.tsv")
    if swapped:
        labels = inputs.scans["diagnosis"].replace({"AD": "CN", "CN": "AD"})
        inputs.scans["diagnosis"] = labels
    score_probes(inputs, external / "model/probes.json", FEW, 1, out, Method())
    check_scores(inputs, out / "predictions.tsv", FEW, 1, out)
    return out


def test_networks_and_codes_are_those_of_the_model(results, external):
    for stage in ("autoencoder", "diffusion", "representation"):
        ours, theirs = (folder / "train" / stage for folder in (external, results))
        assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()
        assert read_json(ours / "model.json")["frozen"] is True
    known, found = (open_store(folder / "store/latents").meta["scale_factor"] for folder in (results, external))
    assert found == known, "not measured again, although other scans are here"
    names = [open_store(folder / "store/codes/y_sem") for folder in (results, external)]
    assert np.array_equal(names[0].data, names[1].data)


def test_the_adopted_folder_is_a_model_itself(results, external):
    here, there = LDAE.load(external), LDAE.load(results)
    assert here.digest == there.digest and here.facts.probes.keys() == there.facts.probes.keys()


def test_predictions_are_those_of_the_models_own_probes(results, external, tmp_path):
    ours = read_tsv(scored(external, tmp_path) / "predictions.tsv", dtype={"participant_id": str})
    assert set(ours["protocol"]) == {"test"} and set(ours["features"]) == {"ldae"} and set(ours["split"]) == {"test"}
    theirs = read_tsv(results / "evaluate/probes/predictions.tsv", dtype={"participant_id": str})
    keys = ["participant_id", "session_id", "task", "protocol", "features"]
    both = ours.merge(theirs, on=keys, suffixes=("", "_own"))
    assert len(both) == len(theirs[theirs["protocol"] == "test"]) > 0
    assert np.allclose(both["prediction"], both["prediction_own"], rtol=1e-5)
    assert len(ours) > len(both), "the model's training subjects are test subjects here"


NOT_HERE = ("the model is frozen: ", "this baseline was not trained here (a frozen `model`")


def test_what_would_be_fitted_says_so(external, tmp_path):
    summary = read_tsv(scored(external, tmp_path) / "summary.tsv")
    assert summary.loc[summary["method"] == "ldae", "metric"].isin(["auc_ad_test"]).any()
    fitted = summary[summary["metric"].str.endswith(("_cv", "_test_paper")) | (summary["method"] != "ldae")]
    assert fitted["value"].isna().all() and fitted["note"].str.startswith(NOT_HERE).all()
    assert read_tsv(tmp_path / "label_efficiency.tsv")["value"].isna().all()
    assert read_tsv(tmp_path / "components.tsv")["value"].isna().all()
    assert read_tsv(tmp_path / "lda.tsv").empty


def test_swapped_labels_change_the_numbers_and_nothing_that_was_fitted(exported, external, tmp_path):
    before = digests(exported), digests(external / "train"), digests(external / "model")
    a, b = scored(external, tmp_path / "a"), scored(external, tmp_path / "b", swapped=True)
    value = [read_tsv(out / "summary.tsv").set_index(["method", "metric"])["value"] for out in (a, b)]
    first, second = (float(table[("ldae", "auc_ad_test")]) for table in value)
    assert second == pytest.approx(1 - first) and first != second
    assert float(value[0][("ldae", "age_mae_test")]) == float(value[1][("ldae", "age_mae_test")])
    for name in ("fitted.json", "probe_ad.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()
    assert (digests(exported), digests(external / "train"), digests(external / "model")) == before


def test_a_results_folder_is_taken_over_too(results, tmp_path):
    before = digests(results)
    adopt_model(results, tmp_path, CHOSEN.preprocessing, "adni")
    assert digests(results) == before
    assert not (tmp_path / "train/autoencoder/scans.tsv").exists(), "who was trained on stays there"


def test_a_damaged_model_is_refused(exported, results, tmp_path):
    for source, name in ((exported, "diffusion/model.safetensors"), (results, "train/diffusion/model.safetensors")):
        copy = tmp_path / name.split("/")[0]
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("store", "checkpoints"))
        content = bytearray((copy / name).read_bytes())
        content[-1] ^= 1
        (copy / name).write_bytes(content)
        with pytest.raises(UserError, match=r"model\.safetensors is not the"):
            adopt_model(copy, tmp_path / "out", CHOSEN.preprocessing, "adni")


def test_another_template_is_refused(exported, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(exported, copy, ignore=shutil.ignore_patterns("SHA256SUMS"))
    write_json(copy / "config.json", read_json(copy / "config.json") | {"template_sha256": "0" * 64})
    with pytest.raises(UserError, match=r"registered to a template with sha256 0{16}, the one of this configuration"):
        adopt_model(copy, tmp_path / "out", CHOSEN.preprocessing, "adni")
    adopt_model(copy, tmp_path / "out", CHOSEN.preprocessing, "csv")


def test_a_cohort_without_labels_is_scored_with_reasons(external, tmp_path):
    inputs = read_inputs(external / "store", external / "manifest/splits.tsv")
    inputs.scans["diagnosis"], inputs.scans["age"] = pd.Series(None, dtype=object), np.nan
    score_probes(inputs, external / "model/probes.json", FEW, 1, tmp_path, Method())
    summary = read_tsv(tmp_path / "summary.tsv").set_index(["method", "metric"])
    assert summary["value"].isna().all()
    assert summary.loc[("ldae", "auc_ad_test"), "note"] == "no scan of this cohort has what the probe predicts"
