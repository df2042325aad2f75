"""What jobs wrote, by content: records, whoever reads, what is planned again, and `ldae verify`."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.cli import main
from ldae.core import checksums
from ldae.core.errors import UserError
from ldae.core.files import noting_writes, write_json, write_text, write_tsv
from ldae.core.store import write_store


def job(results: Path, name: str, made: list[str], write) -> None:
    """As a job does: write, and record."""
    with noting_writes() as written:
        write()
    checksums.record(results / f"logs/{name}.log", [results / path for path in made], written)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A study, a table of it with two files beside, a store, and a shard."""
    folder = tmp_path / "results/run"
    table = pd.DataFrame({"metric": ["auc", "mae"], "value": [0.8, 5.0]})
    index = pd.DataFrame({"participant_id": ["sub-1", "sub-2"], "session_id": "ses-M000"})

    def paper() -> None:
        write_tsv(folder / "paper/tables/probes.tsv", table)
        for form in ("md", "tex"):
            write_text(folder / f"paper/tables/probes.{form}", "| auc |\n")
        write_text(folder / "logs/table_probes.log", "said\n")  # no result

    job(folder, "fit_probes", ["evaluate/summary.tsv"], lambda: write_tsv(folder / "evaluate/summary.tsv", table))
    job(folder, "table_probes", ["paper/tables/probes.tsv"], paper)
    job(
        folder, "encode", ["store/y_sem/store.json"],
        lambda: write_store(folder / "store/y_sem", np.eye(2, dtype=np.float32), index),
    )  # fmt: skip
    job(folder, "register/3", ["status/3.tsv"], lambda: write_tsv(folder / "status/3.tsv", table))
    return folder


def test_a_record_holds_the_outputs_first_and_is_read_by_sha256sum(results):
    assert {each.job: list(each.files) for each in checksums.records(results)} == {
        "encode": ["store/y_sem/store.json"],
        "fit_probes": ["evaluate/summary.tsv"],
        "register/3": ["status/3.tsv"],
        "table_probes": ["paper/tables/probes.tsv", "paper/tables/probes.md", "paper/tables/probes.tex"],
    }
    command = ["sha256sum", "--check", "--strict", "checksums/table_probes.sha256"]
    assert subprocess.run(command, cwd=results, capture_output=True).returncode == 0


def test_what_is_as_it_was_written_is_read_wherever_the_folder_lies(results, tmp_path):
    shutil.copytree(results, tmp_path / "disk/copy")
    for folder in (results, tmp_path / "disk/copy"):
        reads = [folder / "evaluate/summary.tsv", folder / "paper", folder / "status/3.tsv", tmp_path / "mine.csv"]
        checksums.require_recorded(folder / "logs/report.log", reads)
        assert list(checksums.problems(folder)) == [] and checksums.unrecorded(folder) == []
        assert checksums.not_whole(folder, [folder / "evaluate/summary.tsv"]) == {}
        assert main(["verify", str(folder)]) == 0


@pytest.mark.parametrize("change", [lambda b: b[:-8], lambda b: b.replace(b"0.8", b"0.9"), lambda b: b""])
@pytest.mark.parametrize(
    ("changed", "read", "again"),
    [
        ("evaluate/summary.tsv", "evaluate/summary.tsv", "fit_probes"),
        ("evaluate/summary.tsv", "evaluate", "fit_probes"),
        ("paper/tables/probes.md", "paper/tables/probes.tsv", "table_probes"),  # written together
        ("status/3.tsv", "status/3.tsv", "{results}/status/3.tsv"),
    ],
)
def test_a_changed_file_is_refused_by_its_readers_and_named_by_verify(
    results, capsys, monkeypatch, changed, read, again, change
):
    path = results / changed
    path.write_bytes(change(path.read_bytes() + b"0.8\n"))
    with pytest.raises(UserError, match=f"^{path} is not what .*--forcerun {again.format(results=results)}`"):
        checksums.require_recorded(results / "logs/report.log", [results / read])
    checksums.require_recorded(results / "logs/report.log", [results / "store/y_sem/store.json"])  # not read: no matter
    monkeypatch.chdir(results.parents[1])
    for folder, job in (("results/run", again), (str(results), again if "{" not in again else "register")):
        assert main(["verify", folder, "--repair", "--config", "my own.yaml"]) == 1
        said = capsys.readouterr().out.splitlines()
        assert said[0].startswith(f"changed: {changed} (written by ")
        command = "snakemake --profile profiles/local --configfile 'my own.yaml' --forcerun "
        assert said[-1] == command + job.format(results=folder)


def test_a_job_may_read_what_it_wrote_itself_before(results):
    (results / "evaluate/summary.tsv").write_text("cut")
    checksums.require_recorded(results / "logs/fit_probes.log", [results / "evaluate/summary.tsv"])


def test_a_flipped_byte_of_an_array_is_found_by_verify(results, capsys):
    path = results / "store/y_sem/data.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert main(["verify", str(results)]) == 1
    said = capsys.readouterr().out
    assert (
        "store/y_sem does not hold what was written" in said and "To be made again, with what follows: encode" in said
    )


@pytest.mark.parametrize(
    ("lost", "emptied", "again"),
    [
        ("paper/tables/probes.md", False, {"paper/tables/probes.tsv": "probes.md is missing"}),
        ("paper/tables/probes.tex", True, {"paper/tables/probes.tsv": "probes.tex is empty"}),
        ("evaluate/summary.tsv", True, {"evaluate/summary.tsv": "summary.tsv is empty"}),
        ("evaluate/summary.tsv", False, {}),  # Snakemake sees that
        ("store/y_sem/data.npy", False, {"store/y_sem/store.json": "data.npy is missing or empty"}),
        ("store/y_sem/index.tsv", False, {"store/y_sem/store.json": "index.tsv is missing or empty"}),
        ("status/3.tsv", True, {"status/3.tsv": "3.tsv is empty"}),
    ],
)
def test_what_is_gone_or_empty_beside_an_output_is_made_again(results, lost, emptied, again):
    (results / lost).write_bytes(b"") if emptied else (results / lost).unlink()
    found = checksums.not_whole(results, [])
    assert list(found) == [f"{results}/{path}" for path in again]
    assert all(text.endswith(end) for text, end in zip(found.values(), again.values(), strict=True))


def test_without_records_an_empty_output_and_half_a_store_are_made_again(results):
    shutil.rmtree(results / checksums.FOLDER)
    (results / "evaluate/summary.tsv").write_bytes(b"")
    (results / "store/y_sem/data.npy").unlink()
    outputs = [f"{results}/{name}" for name in ("evaluate/summary.tsv", "store/y_sem/store.json", "status/3.tsv")]
    assert list(checksums.not_whole(results, outputs)) == outputs[:2]
    checksums.require_recorded(results / "logs/report.log", outputs)  # an earlier version's: not judged
    assert main(["verify", str(results)]) == 1


def test_a_whole_store_that_was_deleted_is_not_missed_and_is_named(results, capsys):
    shutil.rmtree(results / "store")
    assert checksums.not_whole(results, []) == {} and list(checksums.problems(results)) == []
    assert main(["verify", str(results)]) == 0
    assert "not judged: stores that are not there, as they may be: store/y_sem" in capsys.readouterr().out


def test_what_an_earlier_attempt_wrote_and_this_one_kept_stays_recorded(results):
    write_json(results / "evaluate/more.json", 1)
    job(results, "fit_probes", ["evaluate/summary.tsv"], lambda: write_text(results / "evaluate/beside.tsv", "a\n"))
    job(results, "fit_probes", ["evaluate/summary.tsv"], lambda: None)
    record = next(each for each in checksums.records(results) if each.job == "fit_probes")
    assert list(record.files) == ["evaluate/summary.tsv", "evaluate/beside.tsv"]
    assert checksums.unrecorded(results) == ["evaluate/more.json"]


def test_without_a_record_nothing_is_called_whole_and_images_are_said_not_to_be_judged(results, capsys):
    (results / "derivatives").mkdir()
    (results / "derivatives/sub-1.nii.gz").write_bytes(b"not looked at")
    assert main(["verify", str(results)]) == 0
    assert "not judged: images, of which no digest is kept (1 below derivatives)" in capsys.readouterr().out
    for record in (results / checksums.FOLDER).rglob("*.sha256"):
        record.unlink()
    assert main(["verify", str(results)]) == 1 and "holds no record" in capsys.readouterr().err


def test_a_damaged_record_leads_nowhere_else(results):
    lines = ["../../outside", "/etc/passwd", "a/" * 3000 + "b"]
    text = "".join(f"{'0' * 64}  {name}\n" for name in lines)
    (results / "checksums/table_probes.sha256").write_text(f"{text}no\n")
    assert [(each.name, each.what) for each in checksums.problems(results)] == [
        ("checksums/table_probes.sha256", "changed")
    ]


@pytest.mark.parametrize("job", ["table_probes", "register/3"])
@pytest.mark.parametrize("lost", [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_text("00 no")])
def test_a_record_that_is_gone_or_damaged_is_missed(results, capsys, monkeypatch, job, lost):
    (results / "logs/register").mkdir()
    for name in ("fit_probes", "table_probes", "encode", "register/3", "inventory_raw"):
        (results / f"logs/{name}.log").write_text("")
    assert main(["verify", str(results)]) == 0
    lost(results / f"checksums/{job}.sha256")
    assert main(["verify", str(results), "--repair"]) == 1
    said = capsys.readouterr().out
    assert f": checksums/{job}.sha256 (written by {job})" in said
    assert said.splitlines()[-1].endswith(f" --forcerun {job.split('/')[0]}")


@pytest.mark.parametrize("name", ["public/more.tsv", "public/.tmp-1-x.md", "evaluate/more.json", "manifest/x.tsv"])
def test_a_file_that_no_job_has_written_is_named(results, capsys, name):
    write_text(results / "evaluate/.tmp-1-summary.tsv", "cut")  # what a killed writer leaves
    write_text(results / "manifest/raw_inventory.tsv", "path\n")
    assert main(["verify", str(results)]) == 0
    write_text(results / name, "x\n")
    assert main(["verify", str(results)]) == 1
    assert f"not recorded: {name} " in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{", "", "[]", '{"source": "adni"}', "[" * 200_000], ids="abcde")
def test_a_memory_of_the_cohort_that_cannot_be_read_is_said(results, capsys, content):
    (results / "cohort.json").write_text('{"images": [], "source": "adni"}')
    assert main(["verify", str(results)]) == 0
    (results / "cohort.json").write_text(content)
    assert main(["verify", str(results)]) == 1
    assert "cohort.json does not say of which cohort" in capsys.readouterr().out


def test_every_adapter_checks_what_it_reads_and_records_what_it_makes():
    """`running` without either looks like one that does both."""
    scripts = Path(__file__).parents[3] / "workflow/scripts"
    texts = {path.stem: path.read_text() for path in scripts.glob("*.py")}
    assert len(texts) > 70
    reads = [name for name, text in texts.items() if not re.search(r"with running\(snakemake\.log\[0\], \S", text)]
    makes = [name for name, text in texts.items() if not re.search(r"with running\(.*snakemake\.output\b", text)]
    assert reads == [] and set(makes) == set(checksums.UNRECORDED)
