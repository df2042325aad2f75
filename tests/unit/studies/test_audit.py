"""Leaks planted in the toy cohort, one by one: the audit finds each, by its own check, and nothing in the clean one."""

import shutil
from copy import copy
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from toy_cohort import SHAPE, write_cohort

from ldae.config.evaluation import Audit, Check
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, sha256_file, write_json, write_tsv
from ldae.core.keys import KEY
from ldae.core.scans import read_splits
from ldae.core.store import CONTENT, _digest, open_store, write_store
from ldae.studies.audit import checks
from ldae.studies.audit.finding import CHECKS
from ldae.studies.audit.measure import require_clean, run_audit
from ldae.studies.common.feature_sets import fixed, voxel_gram
from ldae.studies.common.inputs import Inputs, open_inputs
from ldae.studies.probes.measure import fitted_on_codes, predict_all, probe_groups

refit = partial(fitted_on_codes, seed=1)
CONSTANTS = ("digest", "dtype", "shape")


class Run:
    """A clean run of the toy cohort: stores, splits, scans of a training, fitted probes."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.ldae, self.splits, _ = write_cohort(self.store)
        moments = open_store(self.store / "latents")
        train = self.inputs.rows("train")
        mean, sigma = (np.asarray(moments.data[train])[:, place].astype(float) for place in (0, 1))
        scale = 1 / np.sqrt(mean.var() + (sigma**2).mean())
        write_json(
            self.store / "latents/store.json", moments.meta | {"measured_on": "training_split", "scale_factor": scale}
        )
        read = self.inputs.scans[self.inputs.scans["split"] != "test"]
        write_tsv(folder / "train/diffusion/scans.tsv", read[[*KEY, "split"]])
        scans = self.inputs.scans
        codes = self.inputs.code("y_sem", scans.index.to_numpy())
        sets = {task: {"ldae": fixed(codes), "other": fixed(codes**2)} for task in ("ad", "age")}
        grouped = scans.assign(probe_group=probe_groups(scans, "subject"))
        self.fitted = predict_all(grouped, sets, 3, 1)[1]  # as run_probes keeps them

    @property
    def inputs(self) -> Inputs:
        return open_inputs(self.store, self.splits)

    def encode(self, volumes: np.ndarray) -> np.ndarray:
        return self.ldae.encode_semantic(torch.from_numpy(volumes)[:, None]).numpy()

    def recode(self, change) -> None:
        """Other numbers in the store of y_sem, which goes on saying that the model made them."""
        old = open_store(self.store / "codes/y_sem")
        meta = {name: value for name, value in old.meta.items() if name not in CONSTANTS}
        write_store(old.path, change(np.array(old.data)), old.index, **meta)

    def audit(self, out: Path, **allow: str) -> pd.DataFrame:
        gram = voxel_gram(self.inputs, 4)
        return run_audit(self.inputs, self.splits, self.encode, gram, self.fitted, refit, allow, 1, out)

    def found(self, out: Path) -> dict[str, str]:
        """Check -> result, of all that did not pass."""
        table = self.audit(out)
        return {row["check"]: row["result"] for _, row in table.iterrows() if row["result"] in ("blocking", "warning")}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("original"))


@pytest.fixture
def run(original: Run, tmp_path: Path) -> Run:
    """A copy of its own for every test."""
    shutil.copytree(original.store.parent, tmp_path / "results")
    own = copy(original)
    own.store = tmp_path / "results/store"
    return own


def test_a_clean_run_passes_every_check(run: Run, tmp_path: Path) -> None:
    table = run.audit(tmp_path / "audit").set_index("check")
    assert list(table.index) == list(CHECKS) == list(get_args(Check))
    assert set(table["result"]) == {"passed", "n/a"}
    assert set(table.index[table["result"] == "n/a"]) == {"one_person", "labels"}  # names that tell nothing; too few
    require_clean(table.reset_index(), tmp_path / "audit")
    assert read_tsv(tmp_path / "audit/names.tsv").empty


def with_column(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.column_stack([codes, values]).astype(np.float32)


def test_codes_that_the_encoder_does_not_make_are_found(run: Run, tmp_path: Path) -> None:
    """A label beside the codes; a shift by the label; codes of the training subject with the same label."""
    scans, kept = run.inputs.scans, np.array(open_store(run.store / "codes/y_sem").data)
    patient = (scans["diagnosis"] == "AD").to_numpy(float)
    rng = np.random.default_rng(0)
    stolen = kept.copy()
    for row in run.inputs.rows("test"):
        same = (scans["split"] == "train") & (scans["diagnosis"] == scans["diagnosis"][row])
        stolen[row] = kept[rng.choice(np.flatnonzero(same))]
    for name, codes in (
        ("column", with_column(kept, patient)),
        ("shift", kept + 1.5 * kept.std(axis=0) * (patient - 0.5)[:, None]),
        ("stolen", stolen),
    ):
        run.recode(lambda _, codes=codes: codes.astype(np.float32))
        assert run.found(tmp_path / name)["codes"] == "blocking", name


def test_a_number_that_spells_a_label_is_found_also_where_the_encoder_makes_it(tmp_path: Path) -> None:
    rng, subjects = np.random.default_rng(0), 60
    names = [f"sub-{number:02d}" for number in range(subjects)]
    facts = {"diagnosis": np.resize(["CN", "AD", "MCI"], subjects), "age": 60 + 30 * rng.random(subjects)}
    index = pd.DataFrame({"participant_id": names, "session_id": "ses-M000"} | facts)
    volumes = list(rng.random((subjects, 4, 4, 4), dtype=np.float32))
    write_store(tmp_path / "store/volumes", volumes, index, affine=np.eye(4).tolist(), spacing_mm=3.0)
    made = {"model": "linear", "volumes": open_store(tmp_path / "store/volumes").digest}
    made["scans"] = open_store(tmp_path / "store/volumes").scans
    write_json(tmp_path / "train/representation/model.json", {"digest": "linear", "inputs": {}})
    splits = pd.DataFrame({"participant_id": names, "split": np.resize(["train", "test"], subjects)})
    noise = rng.standard_normal((subjects, 6))
    label, age = (index["diagnosis"] == "AD").to_numpy(float), index["age"].to_numpy()
    for values, result, found in (
        (label, "blocking", ["y_sem_6: diagnosis"]),
        (3 - 0.1 * age, "blocking", ["y_sem_6: age"]),
        (label + 0.4 * rng.standard_normal(subjects), "passed", []),
    ):
        write_store(tmp_path / "store/codes/y_sem", with_column(noise, values), index[KEY], **made)
        finding = checks.labels(open_inputs(tmp_path / "store", splits))
        assert (finding.result, list(finding.names)) == (result, found)


def test_a_collapsed_encoder_and_broken_codes_are_said(run: Run) -> None:
    run.recode(lambda codes: np.ones_like(codes))
    assert "collapsed" in checks.codes(run.inputs, run.encode, 0).words
    codes = open_store(run.store / "codes/y_sem")
    spoiled = np.where(np.arange(len(codes.index))[:, None] == 3, np.nan, codes.data).astype(np.float32)
    np.save(codes.path / "data.npy", spoiled)  # as an earlier version wrote it: no store is written with that today
    contents = (sha256_file(codes.path / name) for name in CONTENT)
    earlier = {name: value for name, value in codes.meta.items() if name not in ("files", "rows")}
    write_json(codes.path / "store.json", earlier | {"digest": _digest(contents)})
    finding = checks.codes(run.inputs, run.encode, 0)
    assert finding.result == "blocking" and list(finding.names) == [run.inputs.scan_id(3)]


COPIES = {  # a training scan (X, Y, Z) in 0 to 255 -> what stands under the name of a test subject
    "exact": lambda scan, noise: scan,
    "noisy": lambda scan, noise: scan + noise,
    "mirrored": lambda scan, noise: scan[::-1],
    "moved": lambda scan, noise: np.roll(scan, 1, 0),
    "darker": lambda scan, noise: 0.8 * scan + noise,
}


@pytest.mark.parametrize("copy_of", COPIES)
@pytest.mark.parametrize("names", [1, 2])
def test_copies_across_splits_are_found(run: Run, tmp_path: Path, copy_of: str, names: int) -> None:
    """Also where two training subjects have the scan: the nearest of anybody else is no farther than the nearest."""
    old, rng = open_store(run.store / "volumes"), np.random.default_rng(0)
    voxels, test, train = np.array(old.data), run.inputs.first_scans("test"), run.inputs.first_scans("train")
    scan = voxels[train[4]].astype(float)
    if names == 2:
        voxels[train[1]] = np.rint(np.clip(scan + rng.standard_normal(SHAPE), 0, 255))
    voxels[test[2]] = np.rint(np.clip(COPIES[copy_of](scan, rng.standard_normal(SHAPE)), 0, 255))
    meta = {name: value for name, value in old.meta.items() if name not in (*CONSTANTS, "scans")}
    write_store(tmp_path / "store/volumes", list(voxels), old.index, **meta, dtype="uint8")
    inputs = open_inputs(tmp_path / "store", run.splits)
    finding = checks.twins(inputs, voxel_gram(inputs, 4))
    assert finding.result == "blocking"
    assert list(finding.names) == ["_".join(run.inputs.scans.loc[test[2], KEY])]


def test_a_label_beside_a_few_codes_is_found(run: Run) -> None:
    """All codes of a small cohort are encoded again, whichever scans a smaller sample would have held."""
    kept, rows = np.array(open_store(run.store / "codes/y_sem").data), {}
    for split in ("test", "train"):
        rows[split] = run.inputs.rows(split)[[-1]]
        shifted = kept.copy()
        shifted[rows[split]] += 0.5 * kept.std(axis=0)
        run.recode(lambda _, shifted=shifted: shifted)
        finding = checks.codes(run.inputs, run.encode, 0)
        assert (finding.result, list(finding.names)) == ("blocking", [run.inputs.scan_id(rows[split][0])])
    assert finding.looked_at == len(kept)


def test_more_scans_of_a_larger_cohort_are_encoded_again() -> None:
    small, paper = 48 * 56 * 48, 128 * 160 * 128
    assert [checks.encoded_again(scans, small) for scans in (0, 5, 63, 150)] == [0, 5, 63, 150]
    assert [checks.encoded_again(scans, paper) for scans in (5, 10, 100, 1600)] == [5, 10, 20, 80]


def test_a_twin_is_a_warning(tmp_path: Path) -> None:
    """Heads that differ from each other by their own texture, two visits each; one test scan is as near to somebody
    else's as a second visit would be."""
    rng = np.random.default_rng(0)
    heads = rng.standard_normal((24, *SHAPE))
    visits = [0.75 * head + 0.66 * rng.standard_normal(SHAPE) for head in heads for _ in range(2)]
    visits[2] = 0.85 * heads[10] + 0.53 * rng.standard_normal(SHAPE)
    splits = pd.DataFrame(
        {"participant_id": [f"sub-{i:02d}" for i in range(24)], "split": ["test"] * 6 + ["train"] * 18}
    )
    index = pd.DataFrame({"participant_id": np.repeat(splits["participant_id"], 2), "session_id": ["a", "b"] * 24})

    scaled = [(0.4 + 0.05 * volume).astype(np.float32) for volume in visits]
    write_store(tmp_path / "volumes", scaled, index, affine=np.eye(4).tolist(), spacing_mm=3.0)
    inputs = open_inputs(tmp_path, splits)
    found = checks.twins(inputs, voxel_gram(inputs, 8))
    assert found.result == "warning" and list(found.names) == ["sub-01_a"]


def test_a_network_that_has_seen_a_test_subject_is_found(run: Run, tmp_path: Path) -> None:
    path = run.store.parent / "train/diffusion/scans.tsv"
    subject = run.splits.loc[run.splits["split"] == "test", "participant_id"].iloc[0]
    row = {"participant_id": subject, "session_id": "ses-M000", "split": "validation"}
    write_tsv(path, pd.concat([read_tsv(path), pd.DataFrame([row])]))
    finding = checks.training_scans(run.inputs.train, run.splits)
    assert (finding.result, list(finding.names)) == ("blocking", [f"diffusion: {subject}"])


def test_probes_that_know_the_test_scans_are_found(run: Run) -> None:
    """A scaler that has seen the test scans; and probes that were fitted on them, labels and all."""
    scans, codes = run.inputs.scans, run.inputs.code("y_sem", run.inputs.scans.index.to_numpy()).astype(float)
    assert checks.fitted(run.inputs, run.fitted, refit, 1).result == "passed"
    scaled = {name: probe | {"mean": codes.mean(axis=0).tolist()} for name, probe in run.fitted.items()}
    assert checks.fitted(run.inputs, scaled, refit, 1).result == "blocking"
    both = pd.concat([scans.assign(split="train"), scans[scans["split"] == "test"]], ignore_index=True)
    leaked = refit(both, np.concatenate([codes, codes[scans["split"] == "test"]]))
    finding = checks.fitted(run.inputs, leaked, refit, 1)
    assert finding.result == "blocking" and len(finding.names) == len(leaked) == 4


def test_stores_with_strangers_and_a_scale_of_all_scans_are_found(run: Run, tmp_path: Path) -> None:
    index = pd.DataFrame({"participant_id": ["sub-00", "sub-99"], "session_id": ["ses-M000", "ses-M000"]})
    write_store(run.store / "codes/foreign", np.zeros((2, 3), np.float32), index)
    finding = checks.stores(run.store, run.splits)
    assert (finding.result, list(finding.names)) == ("blocking", ["foreign: sub-99_ses-M000"])
    inputs = run.inputs
    kept = open_store(run.store / "latents")
    for rows, result in ((inputs.scans.index, "blocking"), (inputs.rows("train")[:5], "warning")):
        mean, sigma = (np.asarray(kept.data[rows])[:, place].astype(float) for place in (0, 1))
        scale = 1 / np.sqrt(mean.var() + (sigma**2).mean())
        write_json(
            run.store / "latents/store.json", kept.meta | {"measured_on": "training_split", "scale_factor": scale}
        )
        assert checks.scale(run.inputs).result == result


def test_one_person_under_two_names() -> None:
    names = ["sub-ADNI002S0295", "sub-ADNI130S0295", "sub-ADNI011S0003", "sub-ADNI941S10295"]
    for splits, result, count in (("train test train train", "blocking", 2), ("train train test train", "warning", 2)):
        finding = checks.one_person(pd.DataFrame({"participant_id": names, "split": splits.split()}))
        assert (finding.result, len(finding.names)) == (result, count)
    clean = pd.DataFrame({"participant_id": names[1:], "split": ["train", "test", "train"]})
    assert checks.one_person(clean).result == "passed"


@pytest.mark.parametrize("other", ["sub-02 ", "SUB-02", "sub\N{NON-BREAKING HYPHEN}02", "sub_02"])
def test_one_person_under_two_spellings(other: str) -> None:
    for names, splits, result in (
        (["sub-02", other], ["train", "test"], "blocking"),
        (["sub-02", other], ["train", "train"], "warning"),
        (["sub-02", "sub-020"], ["train", "test"], "n/a"),
    ):
        finding = checks.one_person(pd.DataFrame({"participant_id": names, "split": splits}))
        assert (finding.result, len(finding.names)) == (result, 0 if result == "n/a" else 2)


def test_a_blocking_finding_stops_with_one_sentence_unless_a_reason_is_given(run: Run, tmp_path: Path) -> None:
    run.recode(lambda codes: codes + 1)
    with pytest.raises(UserError, match=r"audit stops .*check codes.*names\.tsv.*audit\.allow: \{codes: 'why'\}"):
        require_clean(run.audit(tmp_path / "a"), tmp_path / "a")
    reason = dict.fromkeys(("codes", "fitted"), "a test of the audit")
    table = run.audit(tmp_path / "b", **reason)
    require_clean(table, tmp_path / "b")
    require_clean(read_tsv(tmp_path / "b/findings.tsv"), tmp_path / "b")
    assert table.set_index("check").loc["codes", "allowed"] == "a test of the audit"
    assert table.set_index("check")["allowed"].notna().sum() == (table["result"] == "blocking").sum()
    names = "".join(table["finding"])
    assert "sub-" not in names  # the report's table names nobody


def test_who_allows_says_why_and_names_a_check() -> None:
    assert Audit(allow={"twins": "monozygotic twins of the sub-study"}).allow
    for wrong in ({"twin": "because"}, {"twins": ""}, {"twins": None}):
        with pytest.raises(ValueError):
            Audit(allow=wrong)


def test_a_subject_twice_in_the_splits_is_one_sentence(tmp_path: Path) -> None:
    table = pd.DataFrame({"participant_id": ["sub-1", "sub-2", "sub-1"], "split": ["train", "test", "test"]})
    write_tsv(tmp_path / "splits.tsv", table)
    with pytest.raises(UserError, match=r"splits\.tsv lists sub-1 more than once \(1 subjects\)"):
        read_splits(tmp_path / "splits.tsv")
    assert checks.splits(table).result == "blocking"


def test_a_frozen_cohort_has_nothing_that_could_have_been_fitted(run: Run, tmp_path: Path) -> None:
    table = run_audit(run.inputs, run.splits, run.encode, None, {}, refit, {}, 1, tmp_path)
    found = table.set_index("check")["result"]
    assert found[["splits", "stores", "codes"]].tolist() == ["passed"] * 3
    assert (found.drop(["splits", "stores", "codes"]) == "n/a").all()
