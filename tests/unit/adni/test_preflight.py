import pytest

from ldae import cli
from ldae.adni.preflight import preflight, require_ready, tools, write_report
from ldae.adni.tables import BY_NAME
from ldae.errors import UserError
from ldae.files import read_json


def found(download, severity=None):
    findings = preflight(download.images, download.tables)
    return [finding for finding in findings if severity in (None, finding.severity)]


def test_clean_download_has_no_finding(download):
    assert found(download) == []
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
    (download.tables / "older" / f"{name}.csv").write_bytes(download.table(name).read_bytes())
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
    assert "cannot be read as a study table" in finding.what


@pytest.mark.parametrize("value", ["", "3/10/2006", "2006-13-01", "10-Mar-06"])
def test_bad_exam_date(download, value):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid, "VISCODE": "bl"}, "EXAMDATE", value)
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "EXAMDATE" in finding.what and ptid in finding.what


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


def test_diagnosis_outside_the_map(download):
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "DX", "MCI to Dementia")
    (finding,) = found(download)
    assert finding.severity == "note" and "MCI to Dementia" in finding.what


def test_phase_that_ends_clinica(download):
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "ORIGPROT", "ADNI4")
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "ORIGPROT" in finding.what


def test_listed_image_that_is_not_on_disk(download):
    image = download.listed[0]
    (download.images / image.folder).rename(download.images.parent / "elsewhere")
    (finding,) = found(download)
    assert finding.severity == "note" and finding.what == f"1 listed images are not on disk: I{image.image_id}"
    assert "Image Collections" in finding.fix


def test_subject_without_a_row(download):
    (download.images / "999_S_9999").mkdir()
    (finding,) = found(download)
    assert finding.severity == "quarantine" and "999_S_9999" in finding.what


def test_empty_cohort_and_missing_folders(tmp_path, download):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no subject folder named NNN_S_NNNN" in [finding.what for finding in preflight(empty, download.tables)]
    findings = preflight(tmp_path / "a", tmp_path / "b")
    assert [finding.where for finding in findings] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert "raw.images" in findings[0].fix and "raw.tables" in findings[1].fix


@pytest.mark.parametrize("version", [None, "v1.0.20230411"])
def test_dcm2niix(download, monkeypatch, version):
    monkeypatch.setattr(tools, "dcm2niix_version", lambda: version)
    (finding,) = found(download, "blocking")
    assert "dcm2niix" in finding.what and "v1.0.20240202" in finding.fix


def test_command_line(download, tmp_path, capsys):
    command = ["preflight", str(download.images), str(download.tables), "--json", str(tmp_path / "report.json")]
    assert cli.main(command) == 0
    assert read_json(tmp_path / "report.json") == {"findings": [], "ready": True}
    download.edit("ADNIMERGE", {"PTID": download.plans[0].subject.ptid}, "ORIGPROT", "ADNI4")
    assert cli.main(command) == 0
    assert "but for the scans above" in capsys.readouterr().out
    download.table("MRIQUALITY").unlink()
    assert cli.main(command) == 1
    report = read_json(tmp_path / "report.json")
    assert report["ready"] is False and [item["severity"] for item in report["findings"]] == ["blocking", "quarantine"]
    assert "blocking: table MRIQUALITY is missing" in capsys.readouterr().out


def test_command_line_errors_are_one_line(tmp_path, capsys):
    assert cli.main(["phantom", str(tmp_path), "--config", str(tmp_path / "none.yaml")]) == 1
    assert capsys.readouterr().err == f"ldae: The configuration file {tmp_path / 'none.yaml'} does not exist.\n"


def test_report_is_stable(download, tmp_path):
    for name in ("one", "two"):
        write_report(preflight(download.images, download.tables), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
