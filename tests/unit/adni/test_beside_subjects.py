"""What lies beside the subject folders is told by kind, and how a finding is worded for a terminal."""

import json
import os
import time

import pytest
from deep_trees import deep

from ldae import cli
from ldae.adni.inventory import outsiders
from ldae.adni.preflight import as_json, preflight
from ldae.adni.preflight.beside_subjects import outsider_findings, too_deep
from ldae.adni.preflight.finding import Finding, counted


@pytest.fixture
def raw(tmp_path):
    """Folders of two subjects."""
    for name in ("002_S_0295", "002_S_0413"):
        (tmp_path / "ADNI" / name).mkdir(parents=True)
    return tmp_path / "ADNI"


def told(raw, needless=()):
    return [f"{finding.severity}: {finding}" for finding in outsider_findings(outsiders(raw), raw, needless)]


def write(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_thousands_of_files_are_one_finding_for_each_kind(raw):
    for number in range(1000):
        write(raw / f"ADNI_{number:04d}.xml", "1234")
    for name in ("a.zip", "b.zip"):
        write(raw / name)
    write(raw / "notes.txt")
    lines = told(raw)
    assert len(lines) == 3
    xml = next(line for line in lines if "xml" in line)
    assert xml.startswith(
        "note: 1000 xml files lie beside the subject folders and are passed over: ADNI_0000.xml, ADNI_0001.xml, "
        "ADNI_0002.xml and 997 more (4 KiB)"
    )
    assert any(line.startswith("quarantine: 2 archives lie beside the subject folders") for line in lines)
    assert any(
        line.startswith("note: notes.txt lies beside the subject folders and is passed over (1 file") for line in lines
    )


def test_empty_folders_are_named_and_are_no_loss(raw):
    for name in ("002_S_0295 (1)", "new folder"):
        (raw / name / "deeper").mkdir(parents=True)
    (line,) = told(raw)
    assert line.startswith("note: 2 empty folders lie beside the subject folders") and "none needed" in line


@pytest.mark.parametrize(
    ("files", "advice"),
    [
        (
            ["ADNI/002_S_0295/a.dcm"],
            "merge each of its subject folders with the one of the same name beside it",
        ),
        (["ADNI/003_S_0001/a.dcm"], "move its 1 subject folder up, beside the others"),
        (
            ["ADNI/002_S_0295/a.dcm", "ADNI/003_S_0001/a.dcm"],
            "move its 2 subject folders up, beside the others (or set raw.images to the folder that holds them); "
            "merge those of 002_S_0295",
        ),
        (["002_S_0295 (1)/a.dcm"], "move what is in it into the folder 002_S_0295, which is there (merge the two)"),
        (["003_S_0001 (1)/a.dcm"], "if its images are those of 003_S_0001: rename it 003_S_0001"),
        (["002_S_0295 (1)/a.dcm", "002_S_0413 (1)/a.dcm"], "move what is in each into its subject's folder"),
    ],
)
def test_a_folder_of_a_subject_that_is_there_is_merged_never_moved_up(raw, files, advice):
    for path in files:
        write(raw / path)
    (line,) = told(raw)
    assert advice in line and line.startswith("quarantine")


def test_links_that_lead_nowhere_back_or_into_the_system_end_soon(raw):
    for name, target in (("gone", "nowhere"), ("loop", "loop"), ("back", ".."), ("all", "/"), ("self", "/proc/self")):
        (raw / name).symlink_to(target)
    start = time.monotonic()
    assert [line.split(" lie ")[0] for line in told(raw)] == ["note: 3 links", "note: 2 links to nowhere"]
    assert time.monotonic() - start < 10


def test_a_tree_deeper_than_python_recurses(raw):
    with deep(raw, "d", 1500):
        said = [line.split(" (")[0] for line in told(raw)]
    assert said == ["note: d lies beside the subject folders and is passed over"]


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("002_S_0295", "is the folder of a single subject"),
        ("002_S_0295/MPRAGE", "lies in {raw}/002_S_0295"),
        ("other/I123", "is the folder of a single image"),
    ],
)
def test_a_part_of_the_download_is_called_so(raw, place, what):
    write(raw / place / "a.dcm")
    finding = too_deep(raw / place)
    assert what.format(raw=raw) in finding.what and finding.severity == "blocking"
    assert "give the folder that holds one folder per subject" in finding.fix
    assert too_deep(raw) is None


@pytest.mark.parametrize("swap", [False, True])
def test_the_kernels_own_folders_are_no_download(download, swap, capsys):
    places = ["/proc/self", str(download.tables)] if not swap else [str(download.images), "/proc/self"]
    assert cli.main(["preflight", *places]) == 1
    assert "is one of the operating system's own, which hold no files (/proc/self" in capsys.readouterr().out


def test_names_that_are_not_utf8_are_text_in_every_report(raw):
    write(raw / os.fsdecode(b"scan\xff.txt"))
    report = json.dumps(as_json(preflight(raw, raw.parent)))
    assert "scan\\\\udcff.txt" in report and "\\udcff" not in report.replace("\\\\udcff", "")
    assert r"scan\udcff.txt lies beside" in told(raw)[0]


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("images have files of 0 bytes", "1 image has files of 0 bytes"),
        ("images have links among their files", "1 image has links among its files"),
        ("listed images are not on disk", "1 listed image is not on disk"),
        ("images on disk are not listed", "1 image on disk is not listed"),
        ("image folders are empty", "1 image folder is empty"),
        ("images lack slices", "1 image lacks slices"),
    ],
)
def test_nouns_and_verbs_agree(what, one):
    assert counted(1, what) == one and counted(2, what) == f"2 {what}"


def test_a_long_finding_begins_with_a_short_sentence():
    causes = "; ".join(f"{number} x a cause with many words to it: 002_S_0295, 002_S_0413" for number in (9, 5, 2))
    finding = Finding("blocking", f"2 of 18 visits will arrive; lost: {causes}", "tables", "look. There.", "scans")
    first, *details = finding.lines()
    assert first == "2 of 18 visits will arrive (tables, used for scans)" and details[-1] == "    to do: look. There"
    assert [line.strip()[:6] for line in details] == ["lost: ", "5 x a ", "2 x a ", "to do:"]
    assert str(Finding("note", "It ends.", "here", "do it.")) == "It ends (here): do it"
    assert Finding("note", "short", "here", "do it").lines() == ["short (here): do it"]


def test_links_in_a_subjects_folder_to_everything_are_not_followed(download, monkeypatch):
    """To the kernel's folders never, to a tree of more folders than any subject has neither; the scans arrive."""
    ptid = download.plans[0].subject.ptid
    tree = download.images.parent / "tree"
    for number in range(30):
        write(tree / str(number) / "man.1.gz")
    monkeypatch.setattr("ldae.adni.disk.BEHIND_A_LINK", 20)
    for name, target in (("self", "/proc/self"), ("usr", tree), ("all", "/")):
        (download.images / ptid / name).symlink_to(target)
    start = time.monotonic()
    findings = preflight(download.images, download.tables)
    assert time.monotonic() - start < 20
    assert findings.arrivals.sentence() == "6 of 6 visits on disk will arrive"
    (note,) = findings
    assert note.severity == "note" and note.what.endswith(f"folders, not followed: {ptid}/usr")


def test_left_over_folders_of_subjects_are_no_quarantine(download):
    (download.images / "941_S_9999" / "MPRAGE" / "2010").mkdir(parents=True)
    findings = preflight(download.images, download.tables)
    assert findings.arrivals.sentence() == "6 of 6 visits on disk will arrive"
    assert [(item.severity, item.what) for item in findings] == [("note", "1 empty subject folder: 941_S_9999")]
