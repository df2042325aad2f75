"""The table of a person who looked at the scans: what is read of it, and what it costs a scan."""

import logging

import pandas as pd
import pytest

from ldae.config import Quality
from ldae.core.errors import UserError
from ldae.preprocessing.review import exclude_reviewed, read_review

HEAD = "participant_id\tsession_id\treason\n"


def written(folder, content: str | bytes):
    path = folder / "qc_exclude.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_table_is_read_as_browsers_and_spreadsheets_write_it(tmp_path):
    rows = 'sub-A\tses-M000\tmotion\n\nsub-B\tses-M012\t"a ""ring"", <b>bold</b>"\n'
    wanted = {("sub-A", "ses-M000"): "motion", ("sub-B", "ses-M012"): 'a "ring", <b>bold</b>'}
    assert read_review(written(tmp_path, HEAD + rows)) == wanted
    assert read_review(written(tmp_path, b"\xef\xbb\xbf" + (HEAD + rows).replace("\n", "\r\n").encode())) == wanted
    other = (
        "rating\treason\tsession_id\tparticipant_id\nexclude\t002\tses-1\tsub-002\n"  # columns by name, text as text
    )
    assert read_review(written(tmp_path, other)) == {("sub-002", "ses-1"): "002"}
    assert read_review(written(tmp_path, HEAD)) == {} == read_review(None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist: download"),
        ("", "lacks the column participant_id, session_id, reason"),
        (HEAD.replace("\t", ","), "lacks the column .*tabs"),
        ("participant_id\tsession_id\nsub-A\tses-1\n", "lacks the column reason"),
        (HEAD + "sub-A\tses-1\n", "line 2 of .* needs participant_id, session_id, reason"),
        (HEAD + "sub-A\tses-1\t \n", "line 2"),
        (HEAD + "sub-A\tses-1\tn/a\n", "line 2"),
        (HEAD + "sub-A\tses-1\tx\nsub-A\tses-1\ty\n", "two reasons for sub-A ses-1"),
        (b"\xff\xfeparticipant_id", "no plain text"),
    ],
)
def test_a_bad_table_is_one_sentence_that_names_the_key(tmp_path, content, words):
    path = tmp_path / "missing.tsv" if content is None else written(tmp_path, content)
    with pytest.raises(UserError, match=f"(?s)^qc.exclude: .*{words}"):
        read_review(path)


def test_a_reviewed_scan_is_lost_with_its_reason_and_others_keep_theirs(caplog):
    table = pd.DataFrame(
        {
            "participant_id": ["sub-A", "sub-A", "sub-B"],
            "session_id": ["ses-1", "ses-2", "ses-1"],
            "state": ["done", "done", "quarantined"],
            "reason": [None, None, "earlier: unreadable"],
        }
    )
    review = {("sub-A", "ses-2"): "motion", ("sub-B", "ses-1"): "dark", ("sub-C", "ses-1"): "gone"}
    with caplog.at_level(logging.WARNING, logger="ldae"):
        found = exclude_reviewed(table, review)
    assert found["state"].tolist() == ["done", "quarantined", "quarantined"]
    assert found["reason"].tolist()[1:] == ["excluded by a reviewer: motion", "earlier: unreadable"]
    assert table["state"].tolist() == ["done", "done", "quarantined"]  # the table given stays as it is
    assert "1 of 3 rows of qc.exclude name no scan of this cohort, the first is sub-C ses-1" in caplog.text


def test_the_key_of_earlier_versions_says_where_its_table_belongs():
    assert Quality.model_validate({"exclusions": None}) == Quality()  # as recipes of their models have it
    with pytest.raises(ValueError, match=r"exclusions is now the key qc\.exclude"):
        Quality.model_validate({"exclusions": "x.tsv"})
