import ast
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.core import store as module
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json
from ldae.core.store import open_store, require_whole, write_store

SOURCES = Path(__file__).parents[3] / "src/ldae"


def index_of(count: int) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in range(count)], "session_id": "ses-M000"})


def test_round_trip_and_scaling(tmp_path):
    arrays = [np.full((2, 3, 4), i * 51, np.uint8) for i in range(5)]
    write_store(tmp_path / "s", arrays, index_of(5), dtype="uint8", spacing_mm=1.5)
    store = open_store(tmp_path / "s")
    assert store.meta["spacing_mm"] == 1.5 and store.meta["shape"] == [5, 2, 3, 4]
    np.testing.assert_array_equal(store.volumes([1, 5 - 1])[:, 0, 0, 0], np.float32([0.2, 0.8]))
    assert store.rows(["sub-03", "sub-01"]).tolist() == [1, 3]


def test_digest_follows_the_content(tmp_path):
    digests = []
    for name, value in (("a", 1), ("b", 1), ("c", 2)):
        write_store(tmp_path / name, [np.full(3, value, np.float32)], index_of(1))
        digests.append(open_store(tmp_path / name).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("count", [1, 3])
def test_wrong_number_of_arrays_leaves_the_old_store(tmp_path, count):
    write_store(tmp_path / "s", [np.zeros(2)] * 2, index_of(2))
    before = open_store(tmp_path / "s").digest
    with pytest.raises(UserError, match="arrays"):
        write_store(tmp_path / "s", [np.ones(2)] * count, index_of(2))
    assert open_store(tmp_path / "s").digest == before


def test_empty_cohort_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"No scan is left.*exclusions\.tsv"):
        write_store(tmp_path / "s", [], index_of(0))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_no_number_is_not_written(tmp_path, odd):
    write_store(tmp_path / "s", [np.zeros(2)] * 2, index_of(2))
    before = open_store(tmp_path / "s").digest
    with pytest.raises(UserError, match=r"s: what was made of sub-01_ses-M000 holds NaN or infinity.*learning rate"):
        write_store(tmp_path / "s", [np.zeros(2), np.array([0, odd])], index_of(2))
    assert open_store(tmp_path / "s").digest == before


def test_unfinished_and_pickled_stores_are_refused(tmp_path):
    write_store(tmp_path / "s", [np.zeros(2)], index_of(1))
    np.save(tmp_path / "s" / "data.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="not a plain array"):
        open_store(tmp_path / "s")
    (tmp_path / "s" / "store.json").unlink()
    with pytest.raises(UserError, match="was not finished"):
        open_store(tmp_path / "s")


@pytest.mark.parametrize("name", ["data.npy", "index.tsv"])
def test_content_of_another_store_is_refused_also_with_the_old_time(tmp_path, name):
    for folder, value in (("s", 1), ("other", 2)):
        index = index_of(2).assign(age=70 + value)
        write_store(tmp_path / folder, [np.full((2, 2), value, np.float32)] * 2, index)
    open_store(tmp_path / "s")  # the digest is known by now
    path, state = tmp_path / "s" / name, (tmp_path / "s" / name).stat()
    shutil.copyfile(tmp_path / "other" / name, path)
    assert path.stat().st_size == state.st_size
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(UserError, match=rf"^{tmp_path / 's'} does not hold what was written there .*delete the folder"):
        open_store(tmp_path / "s")


def test_a_process_reads_a_store_once_and_again_when_it_is_written_again(tmp_path):
    def computed() -> int:
        return module._sha256.cache_info().misses

    write_store(tmp_path / "s", [np.zeros(2)] * 2, index_of(2))
    open_store(tmp_path / "s")
    before = computed()
    open_store(tmp_path / "s")
    assert computed() == before
    write_store(tmp_path / "s", [np.ones(2)] * 2, index_of(2))
    open_store(tmp_path / "s")
    assert computed() > before


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A store whose rows are checked as they are read."""
    monkeypatch.setattr(module, "WHOLE_BYTES", 0)
    arrays = np.random.default_rng(0).integers(0, 256, (6, 4, 5), np.uint8)
    write_store(tmp_path / "s", arrays, index_of(6).assign(age=range(70, 76)), dtype="uint8")
    return tmp_path / "s", arrays


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_is_refused_by_whoever_reads_its_row_and_by_nobody_else(large):
    folder, arrays = large
    flip(folder / "data.npy", -1)  # of the last row
    store = open_store(folder)
    for key in (0, [1, 3], slice(0, 5), np.array([True, False] * 3), (slice(None, 5), 2), -2):
        np.testing.assert_array_equal(store.data[key], arrays[key])
    np.testing.assert_array_equal(store.volumes([4]), arrays[4:5] / np.float32(255))
    for read in (lambda s: s.data[-1], lambda s: s.data[:, 0], lambda s: np.asarray(s.data), lambda s: s.volumes([5])):
        with pytest.raises(UserError, match=rf"^{folder} .*\(row 5 of data.npy .*delete the folder"):
            read(open_store(folder))
    with pytest.raises(UserError, match="row 5"):
        require_whole(folder)


def test_a_row_is_checked_once(large, monkeypatch):
    folder, arrays = large
    store, checked = open_store(folder), []
    digest_of = module._row_digest
    monkeypatch.setattr(module, "_row_digest", lambda row: checked.append(1) or digest_of(row))
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(store.data), arrays)
        store.volumes([2, 2])
    assert len(checked) == len(arrays)


def test_swapped_rows_of_an_index_are_refused_though_the_array_is_large(large):
    folder, _ = large
    head, first, second, *rest = (folder / "index.tsv").read_text().splitlines()
    (folder / "index.tsv").write_text("\n".join([head, second, first, *rest]) + "\n")
    with pytest.raises(UserError, match=rf"^{folder} .*\(index.tsv .*delete the folder"):
        open_store(folder)


@pytest.mark.parametrize("damage", [{}, {"place": -1}])
def test_a_store_of_an_earlier_version_opens_says_once_that_it_is_read_whole_and_is(large, caplog, damage):
    folder, arrays = large
    earlier = {key: value for key, value in read_json(folder / "store.json").items() if key not in ("files", "rows")}
    write_json(folder / "store.json", earlier)
    module._say_once.cache_clear()
    with caplog.at_level("INFO", "ldae"):
        for _ in range(2):
            np.testing.assert_array_equal(open_store(folder).data, arrays)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        f"{folder} was written by an earlier version, without digests of its rows"
    ]
    if damage:
        flip(folder / "data.npy", **damage)
        with pytest.raises(UserError, match="does not hold what was written"):
            open_store(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": None}, {"shape": [6, "4", 5]}, {"dtype": "O"}, {"dtype": 1}, {"dtype": "uint16"}, {"digest": 7},
        {"files": {}}, {"files": None}, {"files": ["data.npy", "index.tsv"]}, {"rows": []}, {"rows": "abcdef"},
    ],
)  # fmt: skip
def test_a_description_of_another_form_is_refused(large, change):
    folder, _ = large
    write_json(folder / "store.json", read_json(folder / "store.json") | change)
    with pytest.raises(UserError, match=str(folder)):
        open_store(folder)


def test_stores_are_opened_in_one_place_alone():
    """So that no reader of an array or an index goes round the check."""
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in module.CONTENT
    }
    assert found == {"core/store.py"}
