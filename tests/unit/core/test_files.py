import hashlib
import os

import pandas as pd
import pytest
import torch

from ldae.core.errors import UserError
from ldae.core.files import atomic_path, digest, read_json, read_tsv, sha256_file, write_json, write_text, write_tsv
from ldae.networks.weights import save_weights


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_of_any_library_take_the_umask(tmp_path, umask, mode):
    """Of a group's, so that a lab can read what one of them trained; safetensors writes 0600 by itself."""
    earlier = os.umask(umask)
    try:
        save_weights(tmp_path / "model.safetensors", {"weight": torch.ones(2)})
        write_text(tmp_path / "text", "words")
    finally:
        os.umask(earlier)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}


def test_atomic_path_leaves_the_old_file_when_the_writer_fails(tmp_path):
    target = tmp_path / "table.nii.gz"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_tables_round_trip_with_missing_values(tmp_path):
    table = pd.DataFrame({"participant_id": ["sub-01", "sub-NA"], "age": [71.25, None], "reason": [None, "NA"]})
    write_tsv(tmp_path / "t.tsv", table)
    assert (tmp_path / "t.tsv").read_text().splitlines()[2] == "sub-NA\tn/a\tNA"
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv"), table, check_dtype=False)


def test_empty_table_and_broken_json_are_named(tmp_path):
    (tmp_path / "empty.tsv").touch()
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match=r"empty\.tsv is an empty file"):
        read_tsv(tmp_path / "empty.tsv")
    (tmp_path / "wide.tsv").write_text("\t" * 100_000)
    with pytest.raises(UserError, match="has more than 20,000 columns"):
        read_tsv(tmp_path / "wide.tsv")
    with pytest.raises(UserError, match=r"bad\.json is not valid JSON"):
        read_json(tmp_path / "bad.json")


def test_json_has_no_nan_and_equal_content_gives_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    write_json(tmp_path / "b.json", {"a": 2, "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "c.json", {"a": float("nan")})
    assert not (tmp_path / "c.json").exists()


def test_digests(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f") == hashlib.sha256(b"abc").hexdigest()
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_cells_of_others_compute_nothing_and_are_read_back_as_they_were(tmp_path):
    computes = ["=1+1", "@SUM(A1)", "+cmd", " -cmd|x", "|dde", "'=1", "''@x"]
    stays = ["-", "--", "-4", "- 4", "+1e3", "-.5", "'quoted'", "a=b", "<b>"]
    table = pd.DataFrame({"=head": [*computes, *stays, None], "number": -1.5})
    write_tsv(tmp_path / "t.tsv", table)
    head, *rows = (tmp_path / "t.tsv").read_text().splitlines()
    assert head == "'=head\tnumber"
    assert [row.split("\t")[0] for row in rows] == [*(f"'{text}" for text in computes), *stays, "n/a"]
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv"), table)
