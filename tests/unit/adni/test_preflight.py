import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ldae import cli
from ldae.adni.preflight import preflight, require_ready, write_report
from ldae.adni.preflight.finding import SEVERITIES
from ldae.adni.preflight.image_checks import COLLECTIONS
from ldae.adni.study_tables import BY_NAME, TABLES, read_table
from ldae.core.errors import UserError
from ldae.core.files import read_json

FACTS = "6 with an age, 6 with a diagnosis."
ACCOUNT = "tables and files"


def found(download, severity=None, **options):
    """The findings but for the account of what will arrive."""
    findings = preflight(download.images, download.tables, **options)
    named = [finding for finding in findings if finding.where != ACCOUNT]
    return [finding for finding in named if severity in (None, finding.severity)]


def account(download, **options):
    """What will arrive: the findings about it, and the sentence."""
    findings = preflight(download.images, download.tables, **options)
    return [finding for finding in findings if finding.where == ACCOUNT], findings.arrivals.sentence()


def test_clean_download_has_no_finding(download):
    assert found(download) == []
    assert account(download) == ([], "6 of 6 visits on disk will arrive")
    require_ready([])


def test_all_findings_come_at_once_gravest_first(download):
    download.table("APOERES").unlink()
    download.table("CDR").unlink()
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "EXAMDATE", "")
    assert [finding.severity for finding in found(download)] == ["blocking", "quarantine", "note"]
    with pytest.raises(UserError, match=r"table APOERES is missing .*Search & Download > Study Files"):
        require_ready(found(download))


@pytest.mark.parametrize("name", [name for name, table in BY_NAME.items() if not table.optional])
def test_missing_table(download, name):
    download.table(name).unlink()
    (finding,) = found(download, "blocking")
    assert name in finding.what and "LONI IDA, Search & Download" in finding.fix and finding.used


@pytest.mark.parametrize("name", ["ADNIMERGE", "MPRAGEMETA"])
def test_doubled_table(download, name):
    (download.tables / "older").mkdir()
    twin = download.tables / "older" / f"{name}.csv"
    twin.write_bytes(download.table(name).read_bytes())
    (finding,) = found(download)
    assert finding.severity == "note" and "2 equal files, the first is read" in finding.what
    twin.write_bytes(download.table(name).read_bytes() + b"\n")
    if name == "MPRAGEMETA":
        (finding,) = found(download)
        assert finding.severity == "note" and "2 lists joined" in finding.what
        return
    (finding,) = found(download, "blocking")
    assert "2 files" in finding.what and f"older/{name}.csv" in finding.where


@pytest.mark.parametrize(
    ("name", "column"), [("ADNIMERGE", "COLPROT"), ("MPRAGEMETA", "ImageUID"), ("MRIQUALITY", "PASS")]
)
def test_missing_column(download, name, column):
    path = download.table(name)
    header, rest = path.read_text().split("\n", 1)
    path.write_text(header.replace(column, "RENAMED") + "\n" + rest)
    (finding,) = found(download, "blocking")
    assert finding.what == f"columns missing: {column}" and finding.where == path.name


def test_empty_table_file(download):
    download.table("MRIQUALITY").write_text("")
    (finding,) = found(download, "blocking")
    assert "is empty: a table with a header line is expected" in finding.what


@pytest.mark.parametrize("name", ["APOERES", "MRIQUALITY", "DXSUM_PDXCONV", "ADNIMERGE"])
def test_a_table_of_a_header_alone_is_no_table(download, name):
    path = download.table(name)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    findings = found(download, "blocking")
    assert any("has a header and no row" in finding.what and name in finding.what for finding in findings)


def test_a_list_without_a_t1w_row_is_spoken_of(download):
    path = download.table("MPRAGEMETA")
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert "MPRAGEMETA has a header and no row" in str(found(download, "blocking"))
    table = "subject_id,image_id,image_date,image_type,modality,viscode2,mri_field_str,study_id,series_id,"
    table += "image_description\n"
    rows = [
        f"{plan.subject.ptid},{number},2012-01-01,Original,MRI,bl,3,{number},{number},Axial FLAIR"
        for number, plan in enumerate(download.plans)
    ]
    path.with_name("All_Images_01Jan2026.csv").write_text(table + "\n".join(rows) + "\n")
    path.unlink()
    _, said = account(download)
    assert said.startswith("0 of ")


def test_a_row_of_nobody_is_left_out_before_clinica_dies_of_it(download):
    path = download.table("ADNIMERGE")
    lines = path.read_text().splitlines()
    blank = download.plans[0].subject.ptid
    path.write_text("\n".join([*lines, next(line for line in lines if blank in line).replace(blank, "")]) + "\n")
    assert "1 row left out without a PTID" in str(found(download, "note"))
    assert account(download)[1] == "6 of 6 visits on disk will arrive"


def test_a_line_separator_inside_a_cell_is_a_letter(download):
    path = download.table("ADNIMERGE")
    head, first, *more = path.read_text().splitlines()
    path.write_text("\n".join([head + ",NOTE", first + ",a\u2028b\x0bc\x85d", *(line + "," for line in more)]) + "\n")
    assert account(download)[1] == "6 of 6 visits on disk will arrive"


def test_a_link_to_nowhere_beside_a_table_is_no_second_one(download):
    (download.tables / "older").mkdir()
    (download.tables / "older" / "ADNIMERGE.csv").symlink_to("nowhere.csv")
    assert "1 other of that name left out" in str(found(download, "note"))
    assert account(download)[1] == "6 of 6 visits on disk will arrive"


@pytest.mark.parametrize("value", ["", "3/10/2006", "2006-13-01", "3/10/06", "10-Mrz-06"])
def test_bad_exam_date(download, value):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid, "VISCODE": "bl"}, "EXAMDATE", value)
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "EXAMDATE" in finding.what and ptid in finding.what
    (lost,), sentence = account(download)
    assert sentence == "5 of 6 visits on disk will arrive" and f"unusable visit: {ptid}" in lost.what


def test_dates_of_subjects_that_are_not_on_disk_do_not_matter(download):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid, "VISCODE": "bl"}, "EXAMDATE", "")
    (download.images / ptid).rename(download.images.parent / "elsewhere")
    assert found(download) == []


def test_scan_date(download):
    ptid = download.plans[0].subject.ptid
    download.edit("MPRAGEMETA", {"SubjectID": ptid}, "ScanDate", "1/2/2008")
    (finding,) = found(download)
    assert finding.severity == "quarantine" and finding.where == "MPRAGEMETA"
    assert account(download)[1] == "4 of 6 visits on disk will arrive"


def test_diagnosis_outside_the_map(download):
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "DX", "MCI to Dementia")
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "MCI to Dementia" in finding.what


def test_phase_that_ends_clinica(download):
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "ORIGPROT", "ADNI4")
    (finding,) = found(download, adni4=False)
    assert finding.severity == "quarantine" and "ORIGPROT" in finding.what
    sentence = "4 of 4 visits on disk will arrive (beside them 2 phase not converted)"
    assert account(download, adni4=False) == ([], sentence)


def test_listed_image_that_is_not_on_disk(download):
    image = download.listed[0]
    (download.images / image.folder).rename(download.images.parent / "elsewhere")
    (finding,) = found(download)
    assert finding.severity == "note" and finding.what == f"1 listed image is not on disk: I{image.image_id}"
    assert "Image Collections" in finding.fix


def test_subject_without_a_row(download):
    (download.images / "999_S_9999").mkdir()
    (download.images / "999_S_9999" / "readme.txt").write_text("mine")
    unknown, bare = (finding.what for finding in found(download, "quarantine"))
    assert unknown.startswith("1 subject without a row: 999_S_9999")
    assert bare == "1 subject folder without a file of an image: 999_S_9999"


def test_empty_cohort_and_missing_folders(tmp_path, download):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no subject folder named NNN_S_NNNN" in [finding.what for finding in preflight(empty, download.tables)]
    findings = preflight(tmp_path / "a", tmp_path / "b")
    assert [finding.where for finding in findings] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert "raw.images" in findings[0].fix and "raw.tables" in findings[1].fix


def install_dcm2niix(folder, monkeypatch, version):
    """An environment whose own dcm2niix is a program of that version, or that has none; and none elsewhere on PATH."""
    folder.mkdir()
    python = Path(sys.executable)
    for name in (python.name, "clinica"):
        (folder / name).symlink_to(python.with_name(name))
    if version is not None:
        (folder / "dcm2niix").write_text(f'#!/bin/sh\necho "dcm2niiX version {version}  (JP2:OpenJPEG) GCC"\n')
        (folder / "dcm2niix").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / python.name))
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize("version", [None, "v1.0.20230411"])
def test_dcm2niix(download, tmp_path, monkeypatch, version):
    install_dcm2niix(tmp_path / "bin", monkeypatch, version)
    (finding,) = found(download, "blocking")
    assert finding.what == (f"dcm2niix {version} is too old" if version else "no dcm2niix")
    assert "v1.0.20240202" in finding.fix


def test_weights_that_the_trainings_would_miss_block_with_their_configuration(download, tmp_path, capsys):
    config = [str(Path(__file__).parents[3] / "config" / "config.yaml"), str(tmp_path / "mine.yaml")]
    absent = tmp_path / "convnext.safetensors"
    mine = {"results_dir": str(tmp_path / "results"), "representation": {"backbone_weights": str(absent)}}
    Path(config[1]).write_text(json.dumps(mine))
    command = ["preflight", str(download.images), str(download.tables), "--config", *config]
    assert cli.main(command) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("blocking")]
    assert f"representation.backbone_weights: The weights {absent} do not exist" in line
    Path(config[1]).write_text(json.dumps({"results_dir": mine["results_dir"]}))
    assert cli.main(command) == 0


def test_command_line(download, tmp_path, capsys):
    command = ["preflight", str(download.images), str(download.tables), "--json", str(tmp_path / "report.json")]
    assert cli.main(command) == 0
    visits = {"on_disk": 6, "arriving": 6, "with_age": 6, "with_diagnosis": 6}
    assert read_json(tmp_path / "report.json") == {"findings": [], "ready": True, "visits": visits}
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "EXAMDATE", "")
    assert cli.main(command) == 0
    assert "but for the scans below" in capsys.readouterr().out
    download.table("MRIQUALITY").unlink()
    assert cli.main(command) == 1
    report = read_json(tmp_path / "report.json")
    assert report["ready"] is False and [item["severity"] for item in report["findings"]] == ["blocking", "quarantine"]
    assert "blocking: table MRIQUALITY is missing" in capsys.readouterr().out


def test_command_line_errors_are_one_line(tmp_path, capsys):
    assert cli.main(["phantom", str(tmp_path), "--config", str(tmp_path / "none.yaml")]) == 1
    assert capsys.readouterr().err == f"ldae: The configuration file {tmp_path / 'none.yaml'} does not exist.\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "is a folder: name the configuration file in it"),
        (b"seed: \xff\xfe", "is not UTF-8: save it as UTF-8 text"),
        ("seed: 1".encode("utf-16"), "is not UTF-8"),
        (b"- seed", "holds no keys"),
        (b"seed", "holds no keys"),
        (b"seed: [", "is not plain YAML"),
    ],
)
def test_a_configuration_that_is_none_is_one_line(download, tmp_path, capsys, content, sentence):
    path = tmp_path / "mine.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    config = str(Path(__file__).parents[3] / "config" / "config.yaml")
    command = ["preflight", str(download.images), str(download.tables), "--config", config, str(path)]
    assert cli.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()[:1]
    assert line.startswith("ldae: ") and sentence in line and str(path) in line


def test_a_report_that_cannot_be_written_is_one_line(download, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    report = tmp_path / "file" / "report.json"
    assert cli.main(["preflight", str(download.images), str(download.tables), "--json", str(report)]) == 2
    assert f"ldae: --json {report} cannot be written" in capsys.readouterr().err


def test_folders_in_the_wrong_order_are_one_finding(download, capsys):
    assert cli.main(["preflight", str(download.tables), str(download.images)]) == 1
    verdict, line, *details = capsys.readouterr().out.splitlines()
    assert verdict == "The download is not ready to be converted, 1 finding to mend first."
    assert line.startswith("blocking: the images are looked for in") and "in the other order" in details[-1]


def test_a_folder_too_high_names_the_one_that_is_meant(download):
    above = download.images.parent
    assert f"set raw.images to {download.images}, which holds 3 subject folders" in str(
        next(item for item in preflight(above, download.tables) if "no subject folder named" in item.what)
    )


def test_the_folder_of_a_single_subject_is_known_as_such(download):
    ptid = download.plans[0].subject.ptid
    findings = preflight(download.images / ptid, download.tables)
    assert f"{ptid} is the folder of a single subject" in findings[0].what and len(findings) == 1
    assert findings[0].fix.endswith(f"one folder per subject (raw.images): {download.images}")


def test_the_verdict_comes_first_and_notes_that_need_nothing_are_short(download, capsys):
    path = download.table("ADNIMERGE")
    path.write_text(path.read_text().replace("PTID", "ptid", 1))
    (download.images / "README.txt").write_text("mine")
    assert cli.main(["preflight", str(download.images), str(download.tables)]) == 0
    verdict, beside, *advice, renamed = capsys.readouterr().out.splitlines()  # a long finding takes more lines
    assert verdict == "The download is ready to be converted: 6 of 6 visits on disk will arrive, " + FACTS
    assert beside.startswith("note: README.txt lies beside the subject folders")
    assert "to do: nothing, if it is no image" in " ".join(advice)
    assert renamed == "note: table ADNIMERGE: columns renamed: ptid to PTID"


def test_report_is_stable(download, tmp_path):
    for name in ("one", "two"):
        write_report(preflight(download.images, download.tables), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def files_of(download, image):
    return sorted((download.images / image.folder).iterdir())


def test_phase_of_a_visit_that_clinica_leaves_out(download):
    visit = download.plans[1].visits[1]
    download.edit("ADNIMERGE", {"PTID": download.plans[1].subject.ptid, "VISCODE": visit.code}, "COLPROT", "ADNI4")
    (finding,) = found(download, adni4=False)
    assert finding.severity == "quarantine" and "COLPROT is ADNI4" in finding.what


def test_visit_code_that_ends_clinica(download):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid, "VISCODE": "bl"}, "VISCODE", "v01")
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "VISCODE holds v01" in finding.what and ptid in finding.what
    assert account(download)[1] == "5 of 6 visits on disk will arrive"


def test_subject_of_adni4(download):
    (download.images / "941_S_10123").mkdir()
    (download.images / "941_S_10123" / "readme.txt").write_text("mine")
    late, bare = (finding.what for finding in found(download, "quarantine", adni4=False))
    assert "five digits: 941_S_10123" in late and bare.endswith(": 941_S_10123")


def test_file_names_that_clinica_cannot_find(download):
    image = download.listed[0]
    for number, path in enumerate(files_of(download, image)):
        path.rename(path.with_name(f"slice{number}.dcm"))
    (finding,) = found(download)
    assert finding.severity == "note" and finding.what.startswith("1 image is known by its folder alone")
    assert finding.what.endswith(f": I{image.image_id}")
    assert account(download) == ([], "6 of 6 visits on disk will arrive")


def test_empty_image_folder(download):
    image = download.listed[0]
    for path in files_of(download, image):
        path.unlink()
    (finding,) = found(download)
    assert finding.severity == "quarantine" and finding.what == f"1 image folder is empty: I{image.image_id}"


def test_image_on_disk_that_is_not_listed(download):
    image = download.listed[0]
    table = read_table(download.table("MPRAGEMETA"))
    table[table["ImageUID"] != str(image.image_id)].to_csv(download.table("MPRAGEMETA"), index=False)
    (finding,) = found(download)
    assert finding.severity == "note"
    assert finding.what.startswith(f"1 image on disk is not listed in MPRAGEMETA: I{image.image_id}")


def test_processed_image_that_was_not_downloaded(download):
    table = read_table(download.table("MPRAGEMETA"))
    row = table.iloc[[0]].assign(
        **{"Orig/Proc": "Processed", "Sequence": "MPR; ; N3; Scaled", "ImageUID": "77", "SeriesID": "78"}
    )
    pd.concat([table, row]).to_csv(download.table("MPRAGEMETA"), index=False)
    absent, other = found(download)
    assert absent.severity == "note" and absent.what == "1 listed image is not on disk: I77"
    assert other.severity == "note" and "the best image on disk is taken" in other.what
    assert account(download) == ([], "6 of 6 visits on disk will arrive")


def rate(download, image, quality, selected="0"):
    """Mayo's marks of an image, whatever they were."""
    path = download.table("MAYOADIRL_MRI_IMAGEQC_05_07_15")
    table = read_table(path)
    table = table[table["loni_image"] != f"I{image.image_id}"]
    marks = {"RID": str(int(image.ptid[-4:])), "loni_image": f"I{image.image_id}", "series_type": "T1"}
    marks |= {"series_quality": quality, "series_selected": selected}
    pd.concat([table, pd.DataFrame([marks])]).fillna("").to_csv(path, index=False)


def late_visit(download):
    """The only image of a 3 T visit."""
    ptid = next(plan.subject.ptid for plan in download.plans if plan.phase in ("ADNI2", "ADNI3"))
    images = [image for image in download.listed if image.ptid == ptid]
    return next(a for a in images if sum(a.months == b.months for b in images) == 1)


def test_only_scan_of_a_visit_rejected_by_mayo(download):
    image = late_visit(download)
    rate(download, image, "4")
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "rejected by Mayo" in finding.what and image.ptid in finding.what


@pytest.mark.parametrize(("quality", "selected"), [("3", "0"), ("-1", "0"), ("4", "1")])
def test_ratings_that_clinica_takes(download, quality, selected):
    rate(download, late_visit(download), quality, selected)
    assert found(download) == []


def beside(download, image, **changes):
    """List a second image of the same visit and put it on disk."""
    table = read_table(download.table("MPRAGEMETA"))
    row = table[table["ImageUID"] == str(image.image_id)].assign(ImageUID="77", SeriesID="78", **changes)
    pd.concat([table, row]).to_csv(download.table("MPRAGEMETA"), index=False)
    folder = (download.images / image.folder).with_name("I77")
    folder.mkdir()
    for number, path in enumerate(sorted((download.images / image.folder).iterdir())):
        content = path.read_bytes()  # other voxels, else it were a copy
        (folder / f"ADNI_{number}_S78_I77.dcm").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_ordinary_rejected_candidates_are_ready(download, capsys):
    """Quality 4 beside a scan without marks, PASS = 0 beside another scan, a scan whose name ends _ND."""
    image = late_visit(download)
    rate(download, image, "4")
    beside(download, image)
    early = next(image for image in download.listed if image.passed is not None)
    download.edit("MRIQUALITY", {"LONIUID": f"S{early.series_id}"}, "PASS", "0")
    assert found(download) == []
    assert cli.main(["preflight", str(download.images), str(download.tables)]) == 0
    ready = "The download is ready to be converted: 6 of 6 visits on disk will arrive, " + FACTS + "\n"
    assert capsys.readouterr().out == ready


def test_unrated_image_ending_nd_does_not_save_the_visit(download):
    image = late_visit(download)
    rate(download, image, "4")
    beside(download, image, Sequence="Accelerated Sagittal MPRAGE_ND" if image.sequence.startswith("Acc") else "T2")
    (finding,) = found(download)
    assert "rejected by Mayo" in finding.what
    assert "5 of" in account(download)[1]


@pytest.mark.parametrize("strength", ["1.5", "3.0"])
def test_mayo_marks_do_not_matter_at_another_field_strength(download, strength):
    """A visit at 1.5 T, and one at 3 T with a second scan at 1.5 T, to which Clinica turns."""
    image = late_visit(download)
    rate(download, image, "4")
    if strength == "1.5":
        download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "MagStrength", "1.5")
    else:
        beside(download, image, MagStrength="1.5")
        rate(download, replace(image, image_id=77), "4")
    (finding,) = found(download)
    assert finding.severity == "note" and finding.what.startswith("MagStrength contradicts the headers")


def test_mayo_marks_do_not_matter_beside_a_processed_image(download):
    image = late_visit(download)
    download.edit("ADNIMERGE", {"PTID": image.ptid}, "COLPROT", "ADNI2")
    download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "Sequence", "MPRAGE")
    rate(download, image, "4")
    assert ["rejected by Mayo" in finding.what for finding in found(download) if finding.severity != "note"] == [True]
    beside(download, image, **{"Orig/Proc": "Processed", "Sequence": "MPR; ; N3; Scaled"})
    assert {finding.severity for finding in found(download)} <= {"note"}


def test_clinica_dies_where_the_preflight_says_so(download, tmp_path):
    """The unmodified converter on the visit that Mayo rejected, and on the same visit with a second scan."""
    from ldae.adni.clinica import run_clinica

    image = late_visit(download)
    rate(download, image, "4")
    run = run_clinica(download.images, download.tables, [image.ptid], tmp_path / "dead", tmp_path / "log")
    assert run.error and "NoneType" in run.error
    beside(download, image)
    run = run_clinica(download.images, download.tables, [image.ptid], tmp_path / "alive", tmp_path / "log")
    assert "77" in set(run.listed["Image_ID"])


def test_genotype_columns(download):
    path = download.table("APOERES")
    table = read_table(path)
    table.rename(columns={"GENOTYPE": "APGEN1"}).to_csv(path, index=False)
    (finding,) = found(download, "blocking")
    assert finding.what == "columns missing: GENOTYPE or APGEN1+APGEN2"
    table.rename(columns={"GENOTYPE": "APGEN1"}).assign(APGEN2="3").to_csv(path, index=False)
    assert found(download) == []


ALONE = {
    **{f"no {table.name}": (table.name, None) for table in TABLES if not table.optional},
    **{f"{table.name} without {table.required[-1]}": (table.name, table.required[-1]) for table in TABLES
       if table.required and not table.optional},
}  # fmt: skip


@pytest.mark.parametrize("case", ALONE)
def test_every_table_case_alone_ends_with_1_its_message_and_nothing_written(download, capsys, case):
    name, column = ALONE[case]
    path = download.table(name)
    read_table(path).drop(columns=column).to_csv(path, index=False) if column else path.unlink()
    before = sorted(download.images.parent.rglob("*"))
    assert cli.main(["preflight", str(download.images), str(download.tables)]) == 1
    out = capsys.readouterr().out
    assert f"columns missing: {column} ({path.name}" in out if column else f"blocking: table {name} is missing" in out
    assert BY_NAME[name].page in out and f"used for {BY_NAME[name].purpose}" in out
    assert "is ready" not in out and sorted(download.images.parent.rglob("*")) == before


@pytest.mark.parametrize("version", [None, "v1.0.20240201"])
def test_tool_cases_end_with_1(download, tmp_path, monkeypatch, capsys, version):
    install_dcm2niix(tmp_path / "bin", monkeypatch, version)
    assert cli.main(["preflight", str(download.images), str(download.tables)]) == 1
    assert "dcm2niix" in capsys.readouterr().out


def test_json_to_the_terminal_and_nothing_else(download, capsys):
    download.table("MRIQUALITY").unlink()
    assert cli.main(["preflight", str(download.images), str(download.tables), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ready"] is False and report["findings"][0]["used"] == BY_NAME["MRIQUALITY"].purpose


def test_wrong_calls_end_with_2(download, tmp_path, capsys):
    raw = [str(download.images), str(download.tables)]
    for arguments, sentence in (
        ([*raw, "--json", str(tmp_path)], f"--json {tmp_path} is a folder: name a file"),
        ([*raw, "--layout", "aibl"], "--layout: of a BIDS dataset alone"),
        ([*raw, "--bids", str(tmp_path)], "are not for a BIDS dataset"),
    ):
        assert cli.main(["preflight", *arguments]) == 2
        assert sentence in capsys.readouterr().err
    assert cli.main(["preflight", str(tmp_path / "none"), str(download.tables)]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert cli.main(["preflight", str(download.images)]) == 2
    assert "ldae preflight RAW CLINICAL" in capsys.readouterr().err


def test_time_grows_no_faster_than_the_cohort(tmp_path):
    """Eight times the scans in at most sixteen times the seconds: nothing is compared with everything."""
    from ldae.config import Phantom
    from ldae.phantom.loni_images import images_of
    from ldae.phantom.loni_tables import write_tables
    from ldae.phantom.visit_schedule import plan_cohort

    def seconds(subjects):
        folder = tmp_path / str(subjects)
        settings = Phantom(subjects={"CN": subjects, "MCI": subjects, "AD": subjects}, visits=4, extra_visit_fraction=0)
        plans = plan_cohort(settings, 3)
        images = [image for plan in plans for visit in plan.visits for image in images_of(3, plan, visit)]
        for image in images:
            (folder / "ADNI" / image.folder).mkdir(parents=True)
        write_tables(folder / "clinical", plans, images, 3)
        start = time.process_time()
        preflight(folder / "ADNI", folder / "clinical")
        return time.process_time() - start

    seconds(2)  # imports
    assert seconds(160) < 16 * seconds(20)


def test_the_download_guide_names_every_table_page_and_todays_name():
    guide = (Path(__file__).parents[3] / "docs/adni-download.md").read_text()
    steps = guide[guide.index("## Study tables") : guide.index("## Check")]
    for table in TABLES:
        assert all(name in steps for name in (table.name, *table.today)), table.name
        section = table.page.removeprefix("LONI IDA, ").split(" > table ")[0].split(" (and")[0].split(", table")[0]
        for place in section.split(" > ")[:3]:
            assert place in steps, (table.name, place)
    assert COLLECTIONS.removeprefix("LONI IDA, ") in steps
    for severity in SEVERITIES:
        assert f"`{severity}`" in guide
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", guide, flags=re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
