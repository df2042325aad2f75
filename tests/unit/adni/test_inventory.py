import io
import json
import os
import sys
from pathlib import Path

import pytest

from ldae import cli
from ldae.adni.conversion import input_digests
from ldae.adni.disk import subject_files
from ldae.adni.inventory import not_there_yet, write_inventory
from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import read_tsv


def test_inventory_counts_every_image_and_table(download, tmp_path):
    write_inventory(download.images, download.tables, tmp_path / "inventory.tsv")
    inventory = read_tsv(tmp_path / "inventory.tsv")
    images = inventory[inventory["kind"] == "image"]
    assert sorted(images["path"]) == sorted(image.folder for image in download.listed)
    assert set(images["files"]) == {12}
    folder = download.images / images.iloc[0]["path"]
    assert images.iloc[0]["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert (inventory["kind"] == "table").sum() == 7


def test_inventory_is_rewritten_only_when_something_changed(download, tmp_path):
    out = tmp_path / "inventory.tsv"
    write_inventory(download.images, download.tables, out)
    before = (out.stat().st_mtime_ns, out.stat().st_ino, out.read_bytes())
    (download.images / ".DS_Store").write_bytes(b"")
    write_inventory(download.images, download.tables, out)
    assert (out.stat().st_mtime_ns, out.stat().st_ino, out.read_bytes()) == before
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "MMSE", "11")
    write_inventory(download.images, download.tables, out)
    assert out.read_bytes() != before[2]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["inventory.tsv"]


def test_links_to_themselves_are_links_to_nowhere(download, tmp_path):
    image, out = download.listed[0], tmp_path / "inventory.tsv"
    before = subject_files(download.images / image.ptid)
    (download.images / image.ptid / "loop").symlink_to("..")
    assert subject_files(download.images / image.ptid) == before
    file = min((download.images / image.folder).iterdir())
    file.unlink()
    for link in (file, download.images / "947_S_0009", download.table("CDR")):
        link.unlink(missing_ok=True)
        link.symlink_to(link.name)
    assert subject_files(download.images / image.ptid).images[str(image.image_id)].broken == [str(file)]
    write_inventory(download.images, download.tables, out)
    inventory = read_tsv(out).set_index("path")
    assert inventory["bytes"][download.table("CDR").name] == -1 and inventory["kind"]["947_S_0009"] == "outside"
    assert inventory["files"][image.folder] == 12


def test_names_that_are_not_utf8_are_written_with_backslashes_and_named_once(download, tmp_path, caplog, monkeypatch):
    image, out = download.listed[0], tmp_path / "inventory.tsv"
    (download.images / image.ptid).rename(download.images / os.fsdecode(b"\xe9_S_0001"))
    write_inventory(download.images, download.tables, out)
    assert r"\udce9_S_0001" in set(read_tsv(out)["path"])
    assert caplog.text.count("names are not UTF-8 or not printable, the first is") == 1
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    cli.main(["preflight", str(download.images), str(download.tables)])
    ascii_only.flush()
    assert rb"\udce9_S_0001 lies beside the subject folders" in ascii_only.buffer.getvalue()


def test_missing_folder(download, tmp_path):
    with pytest.raises(UserError, match=r"ADNI study tables does not exist .*raw.tables"):
        write_inventory(download.images, tmp_path / "none", tmp_path / "inventory.tsv")


def test_a_subject_depends_on_its_own_rows_and_images_only(download):
    first, second, third = (plan.subject.ptid for plan in download.plans)

    def digests(revision=1):
        return input_digests(download.images, download.tables, [first, second, third], revision)

    before = digests()
    assert len(set(before.values())) == 3
    download.edit("ADNIMERGE", {"PTID": first}, "MMSE", "11")
    download.edit("ADNIMERGE", {"PTID": second}, "update_stamp", "2031-01-01")
    image = download.chosen(third)[0]
    next((download.images / image.folder).iterdir()).unlink()
    after = digests()
    assert [before[name] == after[name] for name in (first, second, third)] == [False, True, False]
    download.edit("MRIQUALITY", {"RID": str(int(second[-4:]))}, "PASS", "0")
    download.edit("MAYOADIRL_MRI_IMAGEQC_05_07_15", {"RID": str(int(second[-4:]))}, "series_quality", "4")
    assert digests()[second] != after[second] and digests()[first] == after[first]
    assert all(digests(revision=2)[name] != digests()[name] for name in after)


def test_ldae_inventory_refreshes_what_the_chain_made(download, tmp_path, capsys):
    root = Path(__file__).parents[3]
    mine = tmp_path / "mine.json"
    results = tmp_path / "results"
    raw = {"images": str(download.images), "tables": str(download.tables)}
    mine.write_text(json.dumps({"raw": raw, "results_dir": str(results)}))
    command = ["inventory", "--config", str(root / "config/config.yaml"), str(mine)]
    assert cli.main(command) == 0 and "no inventory yet" in capsys.readouterr().out
    assert not results.exists()
    out = results / "manifest" / "raw_inventory.tsv"
    write_inventory(download.images, download.tables, out)
    before = out.stat().st_mtime_ns
    assert cli.main(command) == 0 and "unchanged" in capsys.readouterr().out
    assert out.stat().st_mtime_ns == before
    subject = download.images / download.plans[2].subject.ptid
    (download.images / "batch2" / "ADNI").mkdir(parents=True)
    subject.rename(nested := download.images / "batch2" / "ADNI" / subject.name)
    assert cli.main(command) == 0
    assert "Passed over beside the subject folders: batch2, with 1 subject; ldae preflight" in capsys.readouterr().out
    nested.rename(subject)
    assert cli.main(command) == 0 and "Passed over" not in capsys.readouterr().out
    (download.tables / "Mine_All_Images_01Jan2026.csv").write_text("image_id\n1\n")
    assert cli.main(command) == 0 and "changed, what is new" in capsys.readouterr().out
    assert "Mine_All_Images_01Jan2026.csv" in out.read_text()
    image = download.images / download.listed[0].folder
    image.rename(tmp_path / "elsewhere")
    assert cli.main(command) == 0
    gone = image.relative_to(download.images)
    assert f"1 gone ({gone}): put back what is gone by mistake" in capsys.readouterr().out
    download.images.rename(tmp_path / "moved")
    assert cli.main(command) == 1
    out.unlink()
    assert cli.main(command) == 1  # also before the first run
    assert capsys.readouterr().err.count("raw ADNI images does not exist") == 2


def test_a_plan_says_which_raw_folders_are_not_there_yet(tmp_path):
    config = load_config(Path(__file__).parents[3] / "config" / "config.yaml")
    raw = config.raw.model_copy(update={"images": tmp_path / "ADNI", "tables": tmp_path})
    config = config.model_copy(update={"raw": raw, "results_dir": tmp_path / "results"})
    (sentence,) = not_there_yet(config)
    assert sentence.startswith(f"the folder of the raw ADNI images does not exist ({tmp_path / 'ADNI'})")
    (tmp_path / "results" / "bids").mkdir(parents=True)
    (tmp_path / "results" / "bids" / "participants.tsv").write_text("participant_id\n")
    assert not_there_yet(config) == []  # converted: the images may be gone
