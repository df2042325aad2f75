"""Slices that all images of a subject lack at the same end are told by other subjects, and a smaller slab is not."""

import pytest

from ldae.adni.disk import SubjectFiles, subject_files
from ldae.adni.image_files import ImageFiles
from ldae.adni.short_series import Headers, Protocol, Series, look_for_short_series
from ldae.adni.short_subjects import look_for_short_subjects, middle_of

SIEMENS, GE = ("256", "SIEMENS"), ("256", "GE")


class Cohort:
    """Two images of each of some subjects; the headers are given, the middle of each slab (mm) too."""

    def __init__(self, monkeypatch) -> None:
        self.files: dict[str, SubjectFiles] = {}
        self.listed: dict[str, str] = {}
        self.headers, self.middles = Headers(), {}
        monkeypatch.setattr("ldae.adni.short_subjects.middle_of", lambda series: self.middles[series.image])

    def add(self, subject, slices, scanner=SIEMENS, middle=0.0, declared=None, size=135_000):
        item = self.files[subject] = SubjectFiles()
        for visit in (1, 2):
            image = f"{len(self.files)}{visit}"
            paths = [f"/{subject}/I{image}/M_{number}_S1_I{image}.dcm" for number in range(1, slices + 1)]
            item.images[image] = ImageFiles(dicom=paths, named=True)
            item.images[image].sizes_of_named[size] = slices
            self.listed[image], self.middles[image] = ("MP-RAGE", "MPRAGE")[len(self.files) % 2], middle
            self.headers.known[paths[0]] = Protocol(1, 1.2, None, scanner, declared)

    @property
    def short(self) -> set[str]:
        look_for_short_series(self.files, self.listed, self.headers)
        look_for_short_subjects(self.files, self.listed, self.headers)
        return {name for name, item in self.files.items() if len(item.gaps) == 2}


@pytest.fixture
def cohort(monkeypatch):
    """Five subjects of a site with 170 slices of 1.2 mm each, or a few less or more."""
    cohort = Cohort(monkeypatch)
    for number, slices in enumerate((170, 170, 166, 170, 176)):
        cohort.add(f"002_S_{number:04d}", slices)
    return cohort


@pytest.mark.parametrize(
    ("subject", "facts", "lost"),
    [
        ("002_S_0009", {"middle": 30.6}, True),  # the last 51 slices are missing
        ("002_S_0009", {"middle": -28.0}, True),  # the first ones
        ("009_S_0009", {"middle": 30.6}, True),  # of another site, which has no other subject
        ("002_S_0009", {"middle": None}, True),  # nobody tells where it lies, and nobody has so few
        ("002_S_0009", {"declared": 170}, True),
        ("002_S_0009", {"middle": 4.0}, False),  # a smaller slab around a small head
        ("002_S_0009", {"middle": 30.6, "declared": 119}, False),  # the scanner took no more
        ("002_S_0009", {"middle": 30.6, "scanner": GE}, False),
        ("002_S_0009", {"middle": 30.6, "size": 75_000}, False),  # of another matrix
    ],
)
def test_slices_that_all_images_of_a_subject_lack(cohort, subject, facts, lost):
    cohort.add(subject, 119, **facts)
    assert cohort.short == ({subject} if lost else set())
    if lost:
        reason = min(cohort.files[subject].gaps.values())
        assert reason.startswith("slices missing: I61 has 119 slices, images of other subjects by the same protocol")
        assert reason.endswith("have 170")


def test_a_slab_that_several_subjects_have_is_a_protocol(cohort):
    for number in (7, 8):
        cohort.add(f"002_S_000{number}", 141, middle=14.0)  # 35 mm less, and aside
    assert cohort.short == set()


def test_two_subjects_that_lost_the_same_end(cohort):
    for number in (7, 8):
        cohort.add(f"002_S_000{number}", 119, middle=30.6)
    assert cohort.short == {"002_S_0007", "002_S_0008"}


def test_one_other_subject_tells_nothing(monkeypatch):
    cohort = Cohort(monkeypatch)
    cohort.add("002_S_0001", 170)
    cohort.add("002_S_0002", 119, middle=30.6)
    assert cohort.short == set()


def test_the_middle_of_a_slab_is_read_from_its_first_and_last_slice(download, image):
    folder = download.images / image.folder
    last = [folder / image.file_name(number) for number in range(9, 13)]
    own = subject_files(download.images / image.ptid).images[str(image.image_id)]
    assert middle_of(Series(image.ptid, str(image.image_id), own)) == 0.0
    for path in last:
        path.unlink()
    own = subject_files(download.images / image.ptid).images[str(image.image_id)]
    assert abs(middle_of(Series(image.ptid, str(image.image_id), own))) == 32.0  # four slices of 16 mm fewer
