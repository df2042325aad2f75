"""A job that is killed after it has delivered: Snakemake deletes the declared outputs, the training is not lost."""

import os
import shutil

from tiny import DELIVERED, assert_same_model, copied, train

from ldae.core.files import read_json, write_json
from ldae.training.safety.delivery import keep_imported


def test_deleted_deliveries_come_back_without_a_step(cohort, tmp_path, monkeypatch):
    out = copied(cohort.folder / "train/autoencoder", tmp_path / "out")
    for name in DELIVERED:
        (out / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr("ldae.training.assignment.train", None)  # no training
        train("autoencoder", cohort.arguments("autoencoder", out))
    assert_same_model(out, cohort.folder / "train/autoencoder")


def test_a_bumped_revision_trains_and_a_damaged_copy_is_not_delivered(cohort, tmp_path):
    out, few = tmp_path / "out", {"steps": 2, "validate_every": 2}
    train("autoencoder", cohort.arguments("autoencoder", out, training=few))
    first, weights = (out / "model.json").read_text(), (out / "model.safetensors").read_bytes()
    train("autoencoder", cohort.arguments("autoencoder", out, training=few | {"revision": 2}))
    assert '"revision": 2' in (out / "model.json").read_text()
    aside = list((out / "replaced").iterdir())
    assert [(folder / "model.safetensors").read_bytes() for folder in aside] == [weights]
    train("autoencoder", cohort.arguments("autoencoder", out, training=few))
    assert (out / "model.json").read_text() == first
    kept = out / "checkpoints/delivered/model.safetensors"
    content = kept.read_bytes()
    for name in DELIVERED:
        (out / name).unlink()
    os.truncate(kept, len(content) // 2)
    train("autoencoder", cohort.arguments("autoencoder", out, training=few))
    assert (out / "model.safetensors").read_bytes() == content


def test_imported_weights_stay_when_the_workflow_comes_to_their_training(cohort, tmp_path, monkeypatch):
    """Under any settings, since nobody has the data to train them again."""
    out = copied(cohort.folder / "train/autoencoder", tmp_path / "train/autoencoder")
    shutil.rmtree(out / "checkpoints")
    (out / "scans.tsv").unlink()
    write_json(out / "model.json", read_json(out / "model.json") | {"imported": {"files": []}})
    before = {name: (out / name).read_bytes() for name in DELIVERED}
    for _ in range(2):  # an import may be repeated
        keep_imported(out.parent)
    for name in DELIVERED:  # what Snakemake does before the job
        (out / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr("ldae.training.assignment.train", None)  # no training
        train("autoencoder", cohort.arguments("autoencoder", out, training={"steps": 2, "validate_every": 2}))
    assert {name: (out / name).read_bytes() for name in DELIVERED} == before
