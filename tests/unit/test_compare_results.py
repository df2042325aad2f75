"""The comparison of two results folders: what it reads, what it leaves out, what it says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    "store/latents/data.npy": b"\x00\x01\x02",
    "train/diffusion/model.safetensors": b"\x00weights",
    "evaluate/probes/summary.tsv": b"method\tvalue\nldae\t0.8\n",
    "paper/figures/figure_5_lda.svg": b"<svg/>\n",
    "logs/train_diffusion.log": b"1 s\n",
    "paper/timings/efficiency.tsv": b"seconds\n1\n",
    "train/diffusion/checkpoints/live.jsonl": b"{}\n",
}


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("compare_results", ROOT / "benchmarks/compare_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder: Path, **changes: bytes) -> Path:
    for name, content in {**FILES, **changes}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_equal_results_are_equal_whatever_the_machine_measured(compare, tmp_path, capsys):
    measured = {"logs/train_diffusion.log": b"2 s\n", "paper/timings/efficiency.tsv": b"seconds\n2\n"}
    assert compare.main([str(written(tmp_path / "a")), str(written(tmp_path / "b", **measured))]) == 0
    assert "0 differences, 4 files compared" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(FILES)[:4])
def test_a_byte_in_any_product_counts(compare, tmp_path, capsys, name):
    changed = written(tmp_path / "b", **{name: FILES[name][:-1] + b"?"})
    assert compare.main([str(written(tmp_path / "a")), str(changed)]) == 1
    assert f"{name}: differs at " in capsys.readouterr().out


def test_a_sidecar_may_differ_in_what_its_scan_cost_alone(compare, tmp_path):
    name = "derivatives/ldae-preproc/sub-A/anat/sub-A_desc-brain_mask.json"
    before = written(tmp_path / "a", **{name: b'{"sha256": "1", "spent": {"seconds": 1}}'})
    slower = written(tmp_path / "b", **{name: b'{"sha256": "1", "spent": {"seconds": 2}}'})
    other = written(tmp_path / "c", **{name: b'{"sha256": "2", "spent": {"seconds": 1}}'})
    assert not list(compare.differences(before, slower))
    assert list(compare.differences(before, other)) == [f"{name}: differs at line 1"]


def test_a_table_s_difference_is_named_by_its_line(compare, tmp_path):
    changed = written(tmp_path / "b", **{"evaluate/probes/summary.tsv": b"method\tvalue\nldae\t0.7\n"})
    assert list(compare.differences(written(tmp_path / "a"), changed)) == [
        "evaluate/probes/summary.tsv: differs at line 2"
    ]


def test_a_file_on_one_side_alone_counts(compare, tmp_path):
    more = written(tmp_path / "b", **{"paper/tables/new.tsv": b"a\n"})
    assert list(compare.differences(more, written(tmp_path / "a"))) == [f"paper/tables/new.tsv: only in {more}"]


def test_two_empty_folders_prove_nothing(compare, tmp_path):
    (tmp_path / "a").mkdir()
    assert compare.main([str(tmp_path / "a"), str(tmp_path / "a")]) == 1
