import pandas as pd
import pytest

from ldae.studies.cohort.table import demographics, flow

ROWS = [  # a converts from MCI to AD; c's second scan has no diagnosis, its third is excluded
    ("a", "ses-M000", 70.0, "F", "MCI", 27, 0.5, "included", None),
    ("a", "ses-M012", 71.0, "F", "MCI", 26, 0.5, "included", None),
    ("a", "ses-M024", 72.0, "F", "AD", 22, 1.0, "included", None),
    ("b", "ses-M000", 60.0, "M", "AD", 20, 1.0, "included", None),
    ("c", "ses-M000", 80.0, "M", "CN", 30, 0.0, "included", None),
    ("c", "ses-M012", 81.0, "M", None, None, None, "included", None),
    ("c", "ses-M024", 82.0, "M", "CN", 30, 0.0, "excluded", "no image: nothing of I9"),
    ("d", "ses-M000", None, "M", None, None, None, "excluded", "not downloaded: I10"),
]
SCANS = pd.DataFrame(
    ROWS, columns=["participant_id", "session_id", "age", "sex", "diagnosis", "mmse", "cdr", "status", "reason"]
)


def test_table_one():
    table = demographics(SCANS).set_index("diagnosis")
    assert table["subjects"].to_dict() == {"CN": 1, "MCI": 1, "AD": 2, "n/a": 1, "all": 3}
    assert table["scans"].to_dict() == {"CN": 1, "MCI": 2, "AD": 2, "n/a": 1, "all": 6}
    assert table.loc["AD", ["age_mean", "mmse_mean", "cdr_mean", "female_percent"]].to_list() == [66, 21, 1, 50]
    assert table.loc["AD", "age_sd"] == pytest.approx(12 / 2**0.5)
    assert table.loc["all", "female_percent"] == pytest.approx(100 / 3)
    assert table.loc[["CN", "MCI", "AD"], "paper_subjects"].to_list() == [965, 1193, 748]
    assert table.loc["all", "paper_scans"] == table.loc[["CN", "MCI", "AD"], "paper_scans"].sum() == 10340


def test_flow_ends_with_what_is_left():
    inventory = pd.DataFrame({"kind": ["image"] * 9 + ["table"], "subject": [*"aaaabbccc", None]})
    exclusions = SCANS[SCANS["status"] == "excluded"].assign(step="convert")
    later = pd.DataFrame({"participant_id": ["a", "b"], "session_id": ["ses-M000"] * 2, "step": "register"})
    table = flow(SCANS, pd.concat([exclusions, later.assign(reason=["cost: 3", "cost: 4"])]), inventory)
    stages = table[table["reason"] == ""]
    assert stages["count"].to_list() == [9, 7, 6, 6, 4]
    assert stages["subjects"].to_list() == [3, 3, 3, 3, 2]
    left_out = table[table["reason"] != ""]
    assert left_out["count"].to_list() == [2, 1, 2]
    assert left_out["reason"].to_list()[1:] == ["no image", "cost"]
    assert stages["count"].iloc[-1] == 9 - left_out["count"].sum()


def test_flow_of_a_given_dataset_counts_two_images_of_a_visit_apart():
    """The used image and its repeat have one name; only the repeat leaves. Later steps name scans that were kept."""
    repeat = ("b", "ses-M000", 60.0, "M", "AD", 20, 1.0, "excluded", "another image of the visit is used: b_run-1")
    scans = pd.DataFrame([*ROWS[:5], repeat], columns=SCANS.columns)
    read = scans[scans["status"] == "excluded"].assign(step="read")
    later = pd.DataFrame(
        [("b", "ses-M000", "preprocess", "no brain")], columns=["participant_id", "session_id", "step", "reason"]
    )
    table = flow(scans, pd.concat([read, later]))
    stages = table[table["reason"] == ""]
    assert stages["count"].to_list() == [6, 5, 5, 4] and stages["subjects"].to_list() == [3, 3, 3, 2]
    assert table.loc[table["reason"] != "", "reason"].to_list() == ["another image of the visit is used", "no brain"]
