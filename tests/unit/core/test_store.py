import ast
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.core import store as module
from ldae.core.errors import UserError
from ldae.core.store import open_store, write_store

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


def test_stores_are_opened_in_one_place_alone():
    """So that no reader of an array or an index goes round the check."""
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in module.CONTENT
    }
    assert found == {"core/store.py"}
