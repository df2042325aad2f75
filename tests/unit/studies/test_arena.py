"""The arena: planted leaks are refused, the truth comes first and noise last, whatever the order and the scale."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.config import Arena, Evaluation
from ldae.config.arena import ROWS
from ldae.core.errors import UserError
from ldae.core.files import read_tsv
from ldae.core.keys import KEY
from ldae.report.identifiers import numbered
from ldae.studies.arena.entries import standing_rows
from ldae.studies.arena.figure import figure_arena
from ldae.studies.arena.given_tables import Given, Refused, read_given
from ldae.studies.arena.guard import enter
from ldae.studies.arena.measure import differences, given_row, ranks, read_all, run_arena, summary
from ldae.studies.arena.record import COMPETITORS
from ldae.studies.arena.table import arena_table, codes_table, difference_table
from ldae.studies.arena.tasks import all_tasks
from ldae.studies.common.feature_sets import COMPONENTS, VoxelPca, voxel_gram
from ldae.studies.common.frozen import NO_BASELINE, NO_TRAINING_SCANS
from ldae.studies.common.linear_probes import outer_folds
from ldae.studies.common.statistics import holm
from ldae.studies.probes.measure import cross_validated, task_rows

SUBJECTS = 90


@pytest.fixture(scope="module")
def scans() -> pd.DataFrame:
    """A disease stage from 0 to 1 behind diagnosis and MMSE; two visits; age and sex by themselves."""
    rng = np.random.default_rng(0)
    stage = np.repeat(rng.uniform(0, 1, SUBJECTS), 2)
    noisy = stage + np.repeat(rng.normal(0, 0.2, SUBJECTS), 2)
    table = pd.DataFrame({"participant_id": np.repeat([f"sub-ADNI002S{i:04d}" for i in range(SUBJECTS)], 2)})
    table["session_id"], table["months"] = ["ses-M000", "ses-M012"] * SUBJECTS, [0, 12] * SUBJECTS
    table["diagnosis"] = np.select([noisy < 0.4, noisy > 0.6], ["CN", "AD"], "MCI")
    table["age"] = np.repeat(rng.uniform(60, 85, SUBJECTS), 2) + table["months"] / 12
    table["sex"] = np.repeat(rng.choice(["F", "M"], SUBJECTS), 2)
    table["mmse"] = np.rint(29 - 9 * stage + rng.normal(0, 1, 2 * SUBJECTS)).clip(0, 30)
    table["split"] = np.repeat(np.where(np.arange(SUBJECTS) % 3 == 0, "test", "train"), 2)
    return table.assign(stage=stage, field_strength=np.where(np.arange(2 * SUBJECTS) % 2, 3.0, 1.5))


def coded(scans: pd.DataFrame, noise: float, seed: int, columns: int = 4) -> np.ndarray:
    """(scans, columns) the stage in every column, with noise; endless noise: none of it."""
    rng = np.random.default_rng(seed)
    signal = 0 if np.isinf(noise) else scans["stage"].to_numpy()[:, None] / noise
    return signal + rng.normal(size=(len(scans), columns))


def write_code(path: Path, scans: pd.DataFrame, values: np.ndarray) -> Path:
    names = [f"f{place}" for place in range(values.shape[1])]
    table = pd.concat([scans[KEY], pd.DataFrame(values, columns=names, index=scans.index)], axis=1)
    table.to_csv(path, sep="\t", index=False)  # with all digits
    return path


def entered(path: Path, scans: pd.DataFrame, **kwargs):
    return enter("mine", str(path), scans, all_tasks(scans, scans, [], 36), 3, 0, **kwargs)


def placed(scans: pd.DataFrame, files: dict[str, Path], extra: tuple[str, ...] = ()) -> pd.DataFrame:
    """Ranks of some codes that were given, read from their files."""
    tasks = [task for task in all_tasks(scans, scans, list(extra), 36) if task.name in ("ad", "mmse", *extra)]
    entries = {name: enter(name, str(path), scans, tasks, 3, 0) for name, path in files.items()}
    rows = {name: given_row(entry) for name, entry in entries.items()}
    covered = {name: entry.covered for name, entry in entries.items() if entry.values is not None}
    return ranks(scans, tasks, read_all(scans, tasks, rows, covered, 3, 0))


def mean_rank(table: pd.DataFrame, protocol: str = "cv") -> pd.DataFrame:
    return table[table["metric"] == f"rank_mean_{protocol}"].set_index("method")


LEAKS = {  # what is planted among honest numbers -> words of the refusal
    "diagnosis": (lambda s: s["diagnosis"].map({"CN": 0, "MCI": 1, "AD": 2}), "tell AD against CN alone"),
    "age": (lambda s: 365.25 * s["age"] + np.random.default_rng(1).normal(0, 150, len(s)), "tell age alone"),
    "sex": (lambda s: s["sex"].map({"M": -3.0, "F": 2.0}), "tell sex alone"),
    "mmse": (lambda s: 30 - s["mmse"], "tell MMSE alone"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_number_that_is_a_label_is_refused_and_named_in_private(scans, tmp_path, leak):
    made, words = LEAKS[leak]
    values = np.column_stack([coded(scans, 1.0, 3), made(scans)])
    entry = entered(write_code(tmp_path / "code.tsv", scans, values), scans)
    assert entry.values is None and len(entry.refused) == 1 and words in entry.refused[0]
    assert ("f4" in {who for _, who in entry.names}) and "f4" not in entry.reason
    allowed = entered(tmp_path / "code.tsv", scans, allowed="a brain age, and known to be one")
    assert allowed.values is not None and allowed.refused == entry.refused and allowed.allowed


def test_a_label_that_is_spread_over_two_numbers_is_refused(scans, tmp_path):
    half = np.random.default_rng(2).normal(0, 40, len(scans))
    values = np.column_stack([half + scans["age"], half - scans["age"]])
    entry = entered(write_code(tmp_path / "code.tsv", scans, values), scans)
    assert entry.values is None and entry.refused == ("its numbers together tell age without error",)


def test_an_honest_code_competes_and_a_part_of_the_cohort_on_its_part(scans, tmp_path):
    entry = entered(write_code(tmp_path / "code.tsv", scans, coded(scans, 1.0, 3)), scans)
    assert entry.refused == () and (entry.matched, entry.rows, entry.numbers) == (len(scans), len(scans), 4)
    part = scans.iloc[20:]
    entry = entered(write_code(tmp_path / "part.tsv", part, coded(scans, 1.0, 3)[20:]), scans)
    assert entry.refused == () and entry.covered.tolist() == [False] * 20 + [True] * (len(scans) - 20)


def test_strangers_copies_and_rows_twice_are_refused_and_other_visits_counted(scans, tmp_path):
    values = coded(scans, 1.0, 3)
    stranger = pd.concat([scans, scans.iloc[:1].assign(participant_id="sub-ADNI099S0001")], ignore_index=True)
    entry = entered(write_code(tmp_path / "a.tsv", stranger, np.vstack([values, values[:1] + 1])), scans)
    assert entry.refused == ("1 of its 181 rows are of subjects outside of the cohort: take them out",)
    assert entry.names[0][1] == "sub-ADNI099S0001_ses-M000" and entry.outside == 1
    twice = pd.concat([scans, scans.iloc[:1]], ignore_index=True)
    entry = entered(write_code(tmp_path / "b.tsv", twice, np.vstack([values, values[:1] + 1])), scans)
    assert entry.refused == ("1 of its rows name a scan that another row names",)
    copied = values.copy()
    copied[7] = copied[90]
    entry = entered(write_code(tmp_path / "c.tsv", scans, copied), scans)
    assert entry.refused == ("2 scans have the code of another scan, number by number",)
    entry = entered(write_code(tmp_path / "d.tsv", scans, np.ones((len(scans), 3))), scans)
    assert entry.refused == ("none of its numbers differs between two scans",)
    later = pd.concat([scans, scans.iloc[:1].assign(session_id="ses-M024")], ignore_index=True)
    entry = entered(write_code(tmp_path / "e.tsv", later, np.vstack([values, values[:1] + 1])), scans)
    assert entry.refused == () and entry.without_scan == 1
    assert entry.names == (("a row at a visit that is not in the cohort", "sub-ADNI002S0000_ses-M024"),)


def test_the_truth_comes_first_noise_last_and_neither_order_nor_scale_matters(scans, tmp_path):
    codes = {"truth": coded(scans, 0.15, 1), "weak": coded(scans, 0.7, 2), "noise": coded(scans, np.inf, 3)}
    files = {name: write_code(tmp_path / f"{name}.tsv", scans, values) for name, values in codes.items()}
    found = placed(scans, files)
    means = mean_rank(found)
    assert means["value"].to_dict() == {"truth": 1, "weak": 2, "noise": 3}
    assert mean_rank(found, "test")["value"].to_dict() == {"truth": 1, "weak": 2, "noise": 3}
    assert means.loc["truth", "high"] < means.loc["noise", "low"] and means.loc["noise", "low"] > 1
    order = np.random.default_rng(5).permutation(len(scans))
    scale, shift = np.array([1e-6, 1.0, -30.0, 1e7]), np.array([5.0, -1e3, 0.0, 1e9])
    for name, values in codes.items():
        write_code(tmp_path / f"{name}.tsv", scans.iloc[order], (values * scale + shift)[order])
    again = placed(scans, {name: files[name] for name in ("noise", "truth", "weak")})
    both = found.merge(again, on=["method", "metric"], suffixes=("", "_again"))
    assert len(both) == len(found) == len(again) == 3 * 3 * 2
    for column in ("value", "low", "high"):
        np.testing.assert_array_equal(both[column], both[f"{column}_again"])


def test_codes_that_are_alike_cannot_be_told_apart(scans, tmp_path):
    """Of five codes of noise the interval of nearly every rank holds all places."""
    files = {f"n{k}": write_code(tmp_path / f"{k}.tsv", scans, coded(scans, np.inf, k)) for k in range(5)}
    means = mean_rank(placed(scans, files))
    assert ((means["low"] == 1) & (means["high"] == 5)).sum() >= 4


def test_numbers_of_a_column_with_three_classes_and_differences_with_holm(scans, tmp_path):
    table = scans.assign(band=np.select([scans["stage"] < 0.3, scans["stage"] < 0.7], ["low", "middle"], "high"))
    tasks = [task for task in all_tasks(table, table, ["band", "field_strength"], 36) if task.reason is None]
    kinds = {task.name: (task.metric, task.classes) for task in tasks}
    assert kinds["band"] == ("auc_band", ("high", "low", "middle"))
    assert kinds["field_strength"] == ("auc_field_strength", ("1.5", "3"))
    codes = {"ldae": coded(table, 0.2, 1), "noise": coded(table, np.inf, 3)}
    rows = {
        name: given_row(enter(name, str(write_code(tmp_path / f"{name}.tsv", table, own)), table, tasks[:1], 3, 0))
        for name, own in codes.items()
    }
    readings = read_all(table, tasks, rows, {}, 3, 0)
    values = summary(table, tasks, readings, 100, 0).set_index(["method", "metric"])["value"]
    assert values["ldae", "auc_band_cv"] > 0.8 and abs(values["noise", "auc_band_cv"] - 0.5) < 0.15
    assert abs(values["ldae", "auc_field_strength_cv"] - 0.5) < 0.2
    gaps = differences(table, tasks, readings, 100, 0)
    for protocol in ("cv", "test"):
        own = gaps[gaps["metric"].str.endswith(f"_{protocol}")]
        assert len(own) == len(tasks)
        np.testing.assert_allclose(own["p_holm"], holm(own["p"]))
    line = gaps.set_index("metric").loc["auc_ad_cv"]
    expected = values["ldae", "auc_ad_cv"] - values["noise", "auc_ad_cv"]
    assert line["value"] == pytest.approx(expected) and line["low"] > 0 and line["p_holm"] < 0.05


def test_conversion_is_known_from_later_visits_alone():
    rows = [("a", 0, "MCI"), ("a", 24, "AD"), ("b", 0, "MCI"), ("b", 48, "AD"), ("c", 0, "MCI"), ("c", 36, "MCI")]
    rows += [("d", 0, "MCI"), ("d", 12, "MCI"), ("e", 0, "CN"), ("e", 12, "AD"), ("f", 0, "MCI"), ("f", 40, "CN")]
    table = pd.DataFrame(rows, columns=["participant_id", "months", "diagnosis"])
    table = table.assign(session_id="ses-" + table["months"].astype(str), age=70.0, sex="F", split="train")
    task = all_tasks(table, table, [], 36)[1]
    labels = dict(zip(table.loc[task.rows, "participant_id"], task.target, strict=True))
    assert labels == {"a": 1, "b": 0, "c": 0, "f": 0}  # b: at 36 months not yet; d: not known
    assert all_tasks(table, table, [], 60)[1].target.tolist() == [1, 1]  # nobody is known to be stable for so long
    with pytest.raises(UserError, match="has no column 'apoe' to be read from a code; there are months"):
        all_tasks(table, table, ["apoe"], 36)


def stated(path: Path, text: str) -> Given:
    path.write_text(text, encoding="utf-8")
    return read_given(path)


def test_tables_of_other_programs_are_read_as_they_come(tmp_path):
    """As asegstats2table, aparcstats2table, SynthSeg, Clinica's merge-tsv and its t1-volume write them."""
    given = stated(
        tmp_path / "aseg.tsv",
        "Measure:volume\tLeft-Hippocampus\tEstimatedTotalIntraCranialVol\nsub-1_ses-M000\t3500.2\t1.5e6\n",
    )
    assert given.ids == ("sub-1_ses-M000",) and given.names == ("Left-Hippocampus", "EstimatedTotalIntraCranialVol")
    given = stated(
        tmp_path / "aparc.txt", "lh.aparc.thickness lh_bankssts_thickness eTIV\n002_S_0295_m06 2.5 1500000\n"
    )
    assert given.ids == ("002_S_0295_m06",) and given.values.tolist() == [[2.5, 1.5e6]]
    volumes = "subject,total intracranial,left hippocampus\n/x/sub-1_ses-M000_T1w.nii.gz,1.5e6,3500\n"
    given = stated(tmp_path / "vol.csv", volumes)
    assert given.names == ("total intracranial", "left hippocampus") and given.values.shape == (1, 2)
    merged = "participant_id\tsession_id\tage\tdiagnosis\tt1-volume_group-a_atlas-AAL2_ROI-1_intensity\n"
    merged += "sub-1\tses-M000\t70\tAD\t0.4\n"
    given = stated(tmp_path / "merged.tsv", merged)
    assert given.ids == ("sub-1_ses-M000",) and given.values.tolist() == [[0.4]]
    folder = tmp_path / "caps/subjects/sub-1/ses-M000/t1"
    folder.mkdir(parents=True)
    for atlas, mean in (("AAL2", 0.5), ("Neuromorphometrics", 0.25)):
        name = f"sub-1_ses-M000_T1w_space-{atlas}_map-graymatter_statistics.tsv"
        (folder / name).write_text(f"index\tlabel_name\tmean_scalar\n1\tPrecentral_L\t{mean}\n2\tPrecentral_R\tn/a\n")
    given = read_given(tmp_path / "caps")
    assert given.ids == ("sub-1_ses-M000",) and len(given.names) == 4
    assert given.names[0] == "space-AAL2_map-graymatter Precentral_L" and given.values[0, [0, 2]].tolist() == [
        0.5,
        0.25,
    ]
    arrays = tmp_path / "npy"
    arrays.mkdir()
    np.save(arrays / "sub-1_ses-M000.npy", np.arange(6.0).reshape(2, 3))
    assert read_given(arrays).values.tolist() == [[0, 1, 2, 3, 4, 5]]


BAD = {
    "participant_id\tsession_id\tx\nsub-1\tses-1\tred\n": "1 of its columns hold text",
    "participant_id\tsession_id\tx\nsub-1\tses-1\tinf\n": "hold infinite numbers",
    "x\ty\n1\t2\n": "no column of it says which scan a row is",
    "participant_id\tsession_id\n": "its table has no row",
    "": "its file is no table",
    "participant_id\tsession_id\nsub-1\tses-1\n": "it holds no numbers",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_code_is_one_sentence(tmp_path, text):
    with pytest.raises(Refused, match=BAD[text]):
        stated(tmp_path / "code.tsv", text)


def test_folders_that_hold_no_code(tmp_path):
    with pytest.raises(Refused, match="neither"):
        read_given(tmp_path)
    np.save(tmp_path / "a_b.npy", np.ones(3))
    np.save(tmp_path / "a_c.npy", np.ones(4))
    with pytest.raises(Refused, match="different counts"):
        read_given(tmp_path)
    np.save(tmp_path / "a_b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(Refused, match="no array of numbers"):
        read_given(tmp_path)
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x06\x00{'a': ", bytes(200)):
        (tmp_path / "a_b.npy").write_bytes(content)
        with pytest.raises(Refused, match="no array of numbers"):
            read_given(tmp_path)
    np.savez(tmp_path / "a.npz", np.ones(3))
    (tmp_path / "a.npz").rename(tmp_path / "a_b.npy")
    with pytest.raises(Refused, match="no array of numbers"):
        read_given(tmp_path)
    np.save(tmp_path / "a_b.npy", np.ones(5000))
    with pytest.raises(Refused, match="5000 numbers a scan"):
        read_given(tmp_path)


def test_what_is_no_file_is_not_waited_for_and_bytes_are_no_table(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "nowhere", Path("/dev/null")):
        with pytest.raises(Refused, match="neither a file nor a folder"):
            read_given(path)
    (tmp_path / "bytes.tsv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(Refused, match="no table"):
        read_given(tmp_path / "bytes.tsv")


def test_the_whole_study_on_the_toy_cohort(cohort, tmp_path):
    """Every row is there or says why not; tables and figure are drawn; a leak is refused by name in private alone."""
    _, inputs = cohort
    manifest = inputs.volumes.index.assign(mmse=np.arange(len(inputs.scans)) % 7 + 20.0, status="included")
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(inputs.scans), 3))
    leak = np.column_stack([noise, inputs.scans["age"]])
    made = {"mine": noise, "leak": leak}
    codes = {name: write_code(tmp_path / f"{name}.tsv", inputs.scans, own) for name, own in made.items()}
    arena = Arena(codes=codes, tasks=["field_strength"])
    run_arena(inputs, manifest, arena, Evaluation(folds=3, bootstrap=50, batch=4), 1, tmp_path / "arena")
    found = read_tsv(tmp_path / "arena" / "summary.tsv")
    assert set(found["method"]) == {*COMPETITORS, "mine", "leak"} and set(COMPETITORS) == set(ROWS)
    assert found.loc[found["value"].isna(), "note"].notna().all()
    refused = found[found["method"] == "leak"]
    assert refused["value"].isna().all() and refused["note"].str.startswith("refused: 1 of its numbers").any()
    of_sex = found[found["metric"] == "auc_sex_cv"]
    assert of_sex["value"].isna().all() and of_sex["note"].eq("a class is missing: scans with 67 F, 0 M").all()
    table = codes_table(tmp_path)
    assert table.set_index("code")["guard"].to_dict() == {"leak": "refused", "mine": "competes"}
    names = read_tsv(tmp_path / "arena" / "names.tsv")
    assert names.to_numpy().tolist() == [["leak", "1 of its numbers nearly tell age alone", "f3"]]
    rows = arena_table(tmp_path)
    assert len(rows) == 2 * (len(COMPETITORS) + 2) and rows["method"].iloc[0] == "oracle"
    verdicts = difference_table(tmp_path).set_index(["rival", "metric"])["verdict"]
    said = {"ldae better", "ldae worse", "not told apart", "n/a", "no interval"}
    assert set(verdicts.str.split(" \\(").str[0]) <= said
    figure_arena(tmp_path / "arena" / "ranks.tsv", tmp_path / "figure")
    assert (tmp_path / "figure.svg").stat().st_size > 5000
    drawn = read_tsv(tmp_path / "figure.tsv")
    assert "mine" in set(drawn["method"]) and "leak" not in set(drawn["method"])


def test_the_pca_of_voxels_is_that_of_table_7(cohort, tmp_path):
    """Its widths are chosen by the probes, and what they say of AD against CN is to the digit what Table 7 rests on."""
    _, inputs = cohort
    row = standing_rows(inputs, 4)["pca_voxels_once"]
    task = all_tasks(inputs.scans, inputs.volumes.index, [], 36)[0]
    assert row(task).widths == standing_rows(inputs, 4)["latents_pca"](task).widths == COMPONENTS
    said = read_all(inputs.scans, [task], {"pca": row}, {}, 3, 1)["ad", "cv", "pca"].scores[:, 0]
    theirs = VoxelPca(voxel_gram(inputs, 4), base=np.flatnonzero(inputs.scans["split"] == "train"))
    known, target = task_rows(inputs.scans, "ad")
    table = cross_validated(inputs.scans, "ad", "pca", theirs, known, target, outer_folds(inputs.scans, 3, 1), 1)
    np.testing.assert_allclose(said, table["prediction"].reindex(known), rtol=1e-6)


def test_on_a_frozen_model_the_cross_validation_is_left(cohort, tmp_path):
    _, inputs = cohort
    frozen = type(inputs)(inputs.store, inputs.volumes, inputs.scans.assign(split="test"), inputs.grid)
    rows = standing_rows(frozen, 4, frozen=True, baselines=False)
    tasks = all_tasks(frozen.scans, inputs.volumes.index, [], 36)[:1]
    reasons = {name: row(tasks[0]) for name, row in rows.items() if isinstance(row(tasks[0]), str)}
    untrained = {"supervised_features", "dae"}
    assert set(reasons) == {"latents_pca", "pca_voxels_once"} | untrained
    assert {words for name, words in reasons.items() if name in untrained} == {NO_BASELINE}
    assert {words for name, words in reasons.items() if name not in untrained} == {NO_TRAINING_SCANS}
    readings = read_all(frozen.scans, tasks, {"ldae": rows["ldae"]}, {}, 3, 0, frozen=True)
    assert readings["ad", "cv", "ldae"].scores is not None
    assert readings["ad", "test", "ldae"].reason == "the model is frozen: nothing is fitted on this cohort"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"codes": {"ldae": "a.tsv"}}, "row that is always there"),
        ({"codes": {"My-Code": "a.tsv"}}, "'My-Code' cannot be a name"),
        ({"codes": {f"resnet_{depth}": "a.tsv" for depth in (18, 34, 50, 101, 152)}}, "differ in a number alone"),
        ({"allow": {"x": "because"}}, "x is no code of arena.codes \\(there: none\\)"),
        ({"tasks": ["age"]}, "age is asked for already"),
        ({"codes": {"x": "~/a.tsv"}}, "begins with ~"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_sentence(content, words):
    with pytest.raises(ValueError, match=words):
        Arena.model_validate(content)


def test_a_code_that_is_not_there_is_refused_when_a_run_is_planned(tmp_path):
    with pytest.raises(UserError, match=r"arena\.codes\.x: .* does not exist"):
        Arena(codes={"x": tmp_path / "none.tsv"}).require_there()


def test_codes_that_the_bundle_would_take_for_people_are_refused_before_anything_runs():
    """The configuration and the last look agree on how many numbered names are too many."""
    few, many = (
        {f"resnet{depth}": "a.tsv" for depth in depths} for depths in ((18, 34, 50, 101), (18, 34, 50, 101, 152))
    )
    assert not numbered(few) and Arena(codes=few).codes.keys() == few.keys()
    assert numbered(many)
    with pytest.raises(ValueError, match=r"resnet18, resnet34, .* differ in a number alone"):
        Arena(codes=many)
