"""The paper's baselines: they learn, see labels of the training split alone, and their codes are the model's."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from ldae import config
from ldae.core.errors import UserError
from ldae.core.files import sha256_file
from ldae.core.scans import labelled_rows
from ldae.core.store import open_store, write_store
from ldae.inference.encode import encode_baselines
from ldae.inference.model_folder import load_dae, load_supervised
from ldae.networks.dae import DiffusionAutoencoder
from ldae.training import selection
from ldae.training.run import train_dae, train_supervised
from ldae.training.stages.supervised import Labelled, SupervisedStage

TRAINING = {"steps": 4, "batch": 4, "micro_batch": 4, "learning_rate": 1e-3, "validate_every": 2}
DAE = config.Dae(
    factor=1,
    shape=(8, 8, 8),
    dimension=6,
    channels=8,
    multipliers=[1, 2],
    res_blocks=1,
    attention_factors=[2],
    dropout=0.0,
    norm_groups=4,
    training=TRAINING | {"ema_decay": 0.9},
)
ENCODER = config.Representation(
    backbone="test_convnext",
    dimension=8,
    heads=2,
    slice_step=8,
    dropout=0.0,
    drop_path=0.0,
    code_norm="batch",
    training=TRAINING,
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """24 scans of 12 subjects; an AD scan has a bright corner, and so the more the older it is."""
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    names = [f"sub-{i // 2:02d}" for i in range(24)]
    diagnosis = ["AD" if i // 2 % 2 else "CN" for i in range(24)]
    index = pd.DataFrame({"participant_id": names, "session_id": [f"ses-M{i % 2:03d}" for i in range(24)]})
    index["diagnosis"], index["age"] = diagnosis, [60.0 + i for i in range(24)]
    index.loc[1, ["diagnosis", "age"]] = ["MCI", np.nan]
    volumes = rng.integers(0, 100, (24, 32, 32, 32), dtype=np.uint8)
    volumes[np.array(diagnosis) == "AD", :16] += 120
    write_store(folder / "volumes", volumes, index, dtype="uint8")
    scans = open_store(folder / "volumes").scans
    write_store(folder / "volumes_dae", volumes[:, ::4, ::4, ::4], index, dtype="uint8", scans=scans)
    split = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    splits = pd.DataFrame({"participant_id": sorted(set(names)), "split": split})
    splits.to_csv(folder / "splits.tsv", sep="\t", index=False)
    return folder


def train_all(folder, out):
    splits = folder / "splits.tsv"
    train_dae(folder / "volumes_dae", splits, out / "dae", DAE, 1)
    for target in ("ad", "age"):
        train_supervised(folder / "volumes", splits, out / f"supervised_{target}", ENCODER, target, 1)


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train_all(cohort, out)
    return out


def stage(cohort, target, **changes):
    from ldae.core.scans import read_splits, split_rows
    from ldae.inference.readers import Volumes

    store, table, parts = open_store(cohort / "volumes"), read_splits(cohort / "splits.tsv"), []
    for name in ("train", "validation"):
        rows, values = labelled_rows(store.index, split_rows(store, table, name), target)
        subjects = store.index["participant_id"].to_numpy()[rows]
        parts.append(Labelled(Volumes(store, rows, torch.device("cpu")), torch.from_numpy(values).float(), subjects))
    return SupervisedStage(ENCODER.model_copy(update=changes), target, *parts, 1)


def test_another_run_and_other_test_labels_give_the_same_bytes(cohort, trained, tmp_path):
    """The labels of test subjects, and those of the validation subjects' weights aside, touch nothing."""
    shutil.copytree(cohort, tmp_path / "cohort")
    store = open_store(cohort / "volumes")
    spoiled = store.index.copy()
    test = spoiled["participant_id"].isin(["sub-10", "sub-11"])
    spoiled.loc[test, ["diagnosis", "age"]] = ["AD", 99.0]
    write_store(tmp_path / "cohort" / "volumes", store.data, spoiled, dtype="uint8")
    train_all(tmp_path / "cohort", tmp_path / "again")
    for name in ("dae", "supervised_ad", "supervised_age"):
        first, second = (root / name / "model.safetensors" for root in (trained, tmp_path / "again"))
        assert sha256_file(first) == sha256_file(second), name


def test_only_scans_with_the_label_are_read(cohort):
    index = open_store(cohort / "volumes").index
    rows, target = labelled_rows(index, np.arange(4), "ad")
    assert rows.tolist() == [0, 2, 3] and target.tolist() == [0, 1, 1]
    rows, target = labelled_rows(index, np.arange(4), "age")
    assert rows.tolist() == [0, 2, 3] and target.tolist() == [60, 62, 63]


def test_ad_is_positive_and_learnt(cohort):
    from ldae.training.trainer import Trainer

    settings = config.Training(**(TRAINING | {"steps": 30, "learning_rate": 5e-3}))
    learner = stage(cohort, "ad", training=settings)
    trainer = Trainer(learner, settings, 1)
    losses = [trainer.advance().losses["loss"] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        logits = learner.product.eval()(learner.training.volumes[list(range(15))])
    assert logits[learner.training.target == 1].min() > logits[learner.training.target == 0].max()


def test_age_starts_at_the_training_mean_and_is_in_years(cohort):
    learner = stage(cohort, "age")
    ages = learner.training.target
    torch.nn.init.zeros_(learner.product.head.weight)
    torch.nn.init.zeros_(learner.product.head.bias)
    with torch.no_grad():
        years = learner.product.eval()(learner.training.volumes[[0, 1]])
        metrics = learner.validate(learner.product)
    torch.testing.assert_close(years, torch.full((2,), float(ages.mean())))
    expected = (learner.validation.target - ages.mean()).abs().mean()
    assert metrics["mae"] == pytest.approx(float(expected)) == -metrics["score"]


def test_every_validation_subject_counts_once(cohort):
    learner = stage(cohort, "ad")
    part = learner.validation
    learner.validation = Labelled(part.volumes, part.target, np.array(["a", "a", "a", "b"]))
    assert learner._by_subject(torch.tensor([0.0, 0.0, 0.0, 1.0])) == 0.5


def test_without_a_validation_label_the_last_step_is_written_and_said(cohort, tmp_path):
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t")
    splits["split"] = ["validation", *["train"] * 9, *["test"] * 2]
    splits.to_csv(tmp_path / "splits.tsv", sep="\t", index=False)
    store = open_store(cohort / "volumes")
    index = store.index.assign(diagnosis=store.index["diagnosis"].where(store.index["participant_id"] != "sub-00"))
    write_store(tmp_path / "volumes", store.data, index, dtype="uint8")
    train_supervised(tmp_path / "volumes", tmp_path / "splits.tsv", tmp_path / "out", ENCODER, "ad", 1)
    description = json.loads((tmp_path / "out" / "model.json").read_text())
    assert description["step"] == 4 and "last step" in description["selection"]
    splits["split"] = ["train", "validation", *["test"] * 10]
    splits.to_csv(tmp_path / "splits.tsv", sep="\t", index=False)
    train_supervised(tmp_path / "volumes", tmp_path / "splits.tsv", tmp_path / "none", ENCODER, "ad", 1)
    untrained = load_supervised(tmp_path / "none").description  # a cohort without labels still gets its report
    assert untrained["scans"] == 0 and untrained["training"].startswith("absent")


def test_a_cohort_that_is_too_small_to_choose_by_gets_the_last_step(cohort, tmp_path):
    """Two validation subjects, eight of training: the paper's way chooses by the two, ours by nobody."""
    arguments = cohort / "volumes", cohort / "splits.tsv"
    found = {}
    for how in ("enough", "validation"):
        train_supervised(*arguments, tmp_path / how, ENCODER, "ad", 1, selection=how)
        found[how] = json.loads((tmp_path / how / "model.json").read_text())
        rows = [json.loads(line) for line in (tmp_path / how / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [2, 4] and all("validation_loss" in row for row in rows)
    assert (
        found["enough"]["selection"].startswith("last step: 10 subjects of each of CN and AD")
        and found["enough"]["step"] == 4
    )
    assert found["validation"]["selection"] == "best step by 2 subjects (1 CN, 1 AD) of the validation split"
    assert found["enough"]["method"] == {"selection": "enough"} and "method" not in found["validation"]
    best = min(rows, key=lambda row: row["validation_loss"])
    assert found["validation"]["step"] == best["step"]


def test_who_is_set_aside_is_not_trained_on(cohort, monkeypatch, tmp_path):
    monkeypatch.setattr(selection, "FEWEST", 2)
    monkeypatch.setattr(selection, "MOST", 0.5)
    train_supervised(cohort / "volumes", cohort / "splits.tsv", tmp_path, ENCODER, "ad", 1, selection="enough")
    description = json.loads((tmp_path / "model.json").read_text())
    assert (
        description["selection"] == "best step by 4 subjects (2 CN, 2 AD), 2 of them set aside from the training split"
    )
    assert description["scans"] == 15 - 4 or description["scans"] == 15 - 3  # one scan of a CN subject has no label


def test_the_baselines_codes(cohort, trained, tmp_path):
    encode_baselines(cohort / "volumes", cohort / "volumes_dae", trained, tmp_path, volumes_at_once=7)
    y = open_store(tmp_path / "y_dae")
    x = torch.from_numpy(open_store(cohort / "volumes_dae").volumes([3, 20]))[:, None]
    dae = load_dae(trained / "dae")
    torch.testing.assert_close(torch.from_numpy(y.volumes([3, 20])), dae.network.encode(x), rtol=1e-4, atol=1e-5)
    assert y.data.shape == (24, 6) and y.meta["model"] == dae.digest
    x = torch.from_numpy(open_store(cohort / "volumes").volumes([3, 20]))[:, None]
    for name in ("supervised_ad", "supervised_age"):
        model, codes = load_supervised(trained / name), open_store(tmp_path / name)
        expected = model.network(x).numpy()
        np.testing.assert_allclose(codes.index["prediction"].to_numpy()[[3, 20]], expected, rtol=1e-3, atol=1e-4)
    other = tmp_path / "volumes"
    write_store(other, open_store(cohort / "volumes").data[:23], y.index[:23], dtype="uint8")
    with pytest.raises(UserError, match=r"volumes_dae does not hold the scans of .* \(24 found, 23 expected\)"):
        encode_baselines(other, cohort / "volumes_dae", trained, tmp_path / "out")


def test_the_diffusion_autoencoder_starts_by_predicting_nothing_and_then_reads_its_code():
    torch.manual_seed(0)
    network = DiffusionAutoencoder(DAE)
    x, t = torch.randn(2, 1, 8, 8, 8), torch.tensor([5, 700])
    y = network.encode(torch.rand(2, 1, 8, 8, 8))
    assert torch.equal(network(x, t, y), torch.zeros_like(x))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    y = network.encode(torch.rand(2, 1, 8, 8, 8))
    network(x, t, y).square().mean().backward()
    idle = [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum()]
    assert not idle, idle
    assert not torch.allclose(network(x, t, y), network(x, t, y + 1))


def test_codes_in_bf16_are_near_and_say_so(cohort, trained, tmp_path):
    folders = cohort / "volumes", cohort / "volumes_dae"
    for precision in ("fp32", "bf16"):
        how = config.Arithmetic(precision=precision, channels_last=precision == "bf16")
        encode_baselines(*folders, trained, tmp_path / precision, arithmetic=how)
    for name in ("y_dae", "supervised_ad", "supervised_age"):
        exact, half = (open_store(tmp_path / precision / name) for precision in ("fp32", "bf16"))
        assert half.meta["precision"] == "bf16" and "precision" not in exact.meta
        assert 0 < np.linalg.norm(half.data - exact.data) < 0.05 * np.linalg.norm(exact.data), name
