"""Names of scans in the spellings of other programs."""

import pandas as pd
import pytest

from ldae.studies.arena.matching import match_rows, session_key, subject_key

SCANS = pd.DataFrame(
    [
        ("sub-ADNI002S0295", "ses-M000"),
        ("sub-ADNI002S0295", "ses-M006"),
        ("sub-ADNI002S0413", "ses-M012"),
        ("sub-01", "ses-1"),
        ("sub-011", "ses-1"),
        ("sub-OAS30001", "ses-d0129"),
        ("sub-OAS30001", "ses-d0757"),
    ],
    columns=["participant_id", "session_id"],
)
SPELLED = {
    "sub-ADNI002S0295_ses-M006": 1,
    "sub-ADNI002S0295_ses-M006_T1w.nii.gz": 1,
    "/data/synthseg/sub-ADNI002S0295_ses-M006_T1w_synthseg.nii.gz": 1,
    "/data/bids/sub-ADNI002S0295/ses-M006": -1,  # neither the last part nor the whole names a subject
    "sub-ADNI002S0295/ses-M006": 1,
    "sub-ADNI002S0295/ses-M006/anat/sub-ADNI002S0295_ses-M006_T1w.nii": 1,
    "sub-ADNI002S0295_ses-M006.long.sub-ADNI002S0295": 1,
    "002_S_0295_m06": 1,
    "002_S_0295_bl": 0,
    "ADNI002S0295_M006": 1,
    "adni002s0295_6": 1,
    "002_S_0295": -1,  # of two scans
    "002_S_0413": 2,  # of one
    "sub-01_ses-1": 3,
    "sub-011_ses-01": 4,
    "OAS30001_d0129": 5,
    "sub-OAS30001_ses-d0757": 6,
    "sub-OAS30002_ses-d0757": -1,
    "": -1,
}


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_scan_is_found_in_each_spelling(spelled):
    assert match_rows([spelled], SCANS).rows.tolist() == [SPELLED[spelled]]


def test_strangers_and_other_visits_are_told_apart():
    found = match_rows(["002_S_0295_m24", "999_S_0001_bl", "sub-01_ses-1"], SCANS)
    assert (found.rows.tolist(), found.without_scan.tolist(), found.outside.tolist()) == ([-1, -1, 3], [0], [1])


def test_keys():
    assert subject_key("sub-ADNI002S0295") == subject_key("002_S_0295") == "002s0295"
    assert [session_key(name) for name in ("ses-M000", "bl", "m0", "M12", "ses-d0129", "baseline")] == (
        ["m0", "m0", "m0", "m12", "d129", "m0"]
    )
