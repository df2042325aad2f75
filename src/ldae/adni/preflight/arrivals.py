"""What will arrive, visit by visit: the tables, folders and files are matched as the conversion will match them."""

from collections import Counter
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field, replace

import pandas as pd

from ldae.adni.accounting import (
    HIDDEN,
    LEFT_OUT,
    MISTAKEN_DAYS,
    NAMELESS,
    NO_NUMBER,
    NO_VISIT,
    NOT_ON_DISK,
    ORDINARY,
    SECOND,
    TWICE,
    UNDATED,
    UNUSABLE_ROW,
    Listing,
    absence,
    listing_of,
    mistaken_visit,
    too_many_lost,
    visits_left_out,
)
from ldae.adni.clinica import session_id
from ldae.adni.clinica_cells import NUMBER
from ldae.adni.disk import SubjectFiles
from ldae.adni.preflight.finding import Finding, Severity, shortened
from ldae.adni.troubles import Trouble
from ldae.adni.unlisted import UNKNOWN, UNLISTED
from ldae.core.file_names import BY_ICLOUD
from ldae.core.files import escaped
from ldae.core.text_tables import count

USED = "converting the scans"
CAUSES = 3
SHOWN = 4  # visits
PASSED_OVER = "in a place that is passed over"
DISAGREEING = "the list and the files disagree"
DIES = "Clinica dies"
AGAIN = "download the images again, by their image IDs"
NEWEST = "download the newest list of images (All Images or MRIQC)"
ADVICE = {  # kind of reason -> what to do
    PASSED_OVER: "move each subject's folder beside the others, under its name NNN_S_NNNN; unpack what is packed",
    DISAGREEING: "download the list of images again, move nothing: the files say whose they are",
    Trouble.OF_ANOTHER: "download the list of images and these images again, move and rename nothing: files "
    "and folders name different subjects",
    Trouble.NOT_THERE: "fetch the files that the links lead to (`datalad get`), or copy the images again",
    Trouble.EMPTY: f"copy the images again from where they are whole, or {AGAIN}",
    Trouble.UNFINISHED: f"{AGAIN} (those of .icloud: {BY_ICLOUD})",
    Trouble.STUBS: f"fetch the files themselves (`datalad get`, `git lfs pull`), or {AGAIN}",
    Trouble.GAPS: AGAIN,
    Trouble.CUT_OFF: AGAIN,
    Trouble.UNREADABLE: AGAIN,
    Trouble.NO_NIFTI: f"convert these images anew, or {AGAIN} as DICOM",
    Trouble.CLOSED: "change the permissions of the files (chmod -R u+r), or ask whose they are",
    Trouble.CONTRADICTING: f"see which image the files are, by the folder or by their names, or {AGAIN}",
    Trouble.COPY: AGAIN,
    Trouble.MIXED: f"{AGAIN}; or sort the files by SeriesInstanceUID, each image's into its own folder I<image ID>",
    Trouble.OTHER_KIND: f"take these images out of the list, or {AGAIN}",
    HIDDEN: "take the dot from the folder's name, if it is ADNI's",
    NAMELESS: "give the files back the names that ADNI gave them (..._I<image ID>.dcm), or each image's folder its own "
    f"(I<image ID>); else {AGAIN}",
    Trouble.PACKED: "unpack the files where they lie (gunzip, unzip)",
    UNLISTED: "download the list of images again, with all visits (a filtered or an old one has some of them alone)",
    UNKNOWN: f"{NEWEST}, unless these images are no T1w scans",
    NO_NUMBER: f"correct ImageUID of these rows in the list of images, or {NEWEST}",
    TWICE: f"keep only the row with the right date in the list of images, or {NEWEST}",
    "no visit": "download the newest ADNIMERGE",
    NO_VISIT: "look whether ADNIMERGE has all visits (download it whole: a filtered one has some alone), and whether "
    "its dates and those of these scans are right",
    UNDATED: "download the newest DXSUM and REGISTRY, or leave ADNI4 out (convert.adni4: false)",
    UNUSABLE_ROW: "correct the cells of ADNIMERGE that are quoted, or download it again",
    "unreadable scan date": f"write the dates as YYYY-MM-DD, or {NEWEST}",
    LEFT_OUT: "compare visit, sequence and field strength of these images in the list of images with the others; "
    "Clinica takes MPRAGE and SPGR, in ADNI3 accelerated ones",
    SECOND: "see which of the two belongs to another visit, and correct it in the list of images",
    DIES: "write EXAMDATE_bl of these subjects as YYYY-MM-DD in ADNIMERGE",
}


@dataclass
class Arrivals:
    """``arriving``: (PTID, visit code) of the visits that will arrive; ``lost``: reason -> what it loses, of those that
    could have been converted; ``ordinary``: reason -> number of visits that are no loss of the download;
    ``replaced``: subjects of whom an image on disk stands in for one that is not there; ``images``: (PTID, visit code)
    -> image ID of the visits that Clinica converts; ``told``: subjects with a visit that will not arrive, whatever the
    reason; ``known``: ``age`` and ``diagnosis`` -> number of arriving visits that have one."""

    arriving: list[tuple[str, str]] = field(default_factory=list)
    lost: dict[str, list[str]] = field(default_factory=dict)
    ordinary: Counter[str] = field(default_factory=Counter)
    replaced: list[str] = field(default_factory=list)
    images: dict[tuple[str, str], str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    known: dict[str, int] = field(default_factory=dict)

    @property
    def possible(self) -> int:
        """Number of visits that arrive or could have."""
        return len(self.arriving) + sum(map(len, self.lost.values()))

    def sentence(self) -> str:
        """``5 of 6 visits on disk will arrive (beside them 1 refused by the study)``."""
        others = ", ".join(f"{number} {reason}" for reason, number in self.ordinary.most_common())
        beside = f" (beside them {others})" if others else ""
        return f"{len(self.arriving)} of {count(self.possible, 'visit')} on disk will arrive{beside}"

    def facts(self) -> str:
        """``, 5 with an age, 4 with a diagnosis``: how much is known of those that arrive."""
        words = {"age": "an age", "diagnosis": "a diagnosis"}
        return "".join(f", {number} with {words[name]}" for name, number in self.known.items())

    def losing(self, reason: str) -> set[str]:
        """Subjects who lose a visit for a kind of reason."""
        return {entry.split(" (")[0] for entry in self.lost.get(reason, ())}

    def add(self, subject: str, reason: str) -> None:
        """Count a visit of a subject that will not arrive, under its reason."""
        kind = reason.split(":")[0]
        self.told.add(subject)
        if reason.startswith(ORDINARY):
            self.ordinary[kind] += 1
        else:
            self.lost.setdefault(kind, []).append(f"{subject} ({reason.split(': ', 1)[-1]})")


def predicted(
    contents: Mapping[str, pd.DataFrame],
    files: Mapping[str, SubjectFiles],
    adni4: bool = False,
    elsewhere: Set[str] = frozenset(),
) -> Arrivals:
    """Arrivals of the subjects on disk.

    Args:
        contents: ADNIMERGE, MPRAGEMETA, MRIQUALITY and Mayo's table as the adapter passes them on.
        files: PTID -> files on disk.
        adni4: ``convert.adni4``.
        elsewhere: images that are listed, but not for Clinica.
    """
    listing = narrowed(listing_of(contents, adni4, elsewhere), set(files))
    reasons = {name: item.troubles for name, item in files.items()}
    had = {name: item.ids - set(reasons[name]) for name, item in files.items()}
    shown = listing.shown(had)
    rules, found, dying = listing.rules(shown), Arrivals(), set(listing.suspects(list(files)))
    rows = listing.images.groupby("SubjectID").indices
    visit_names, ids = listing.images["Visit"].to_numpy(), listing.images["ImageUID"].to_numpy()
    unknown = ~listing.images["ImageUID"].str.fullmatch(NUMBER).to_numpy(dtype=bool)
    pieces, mixed = by_subject(listing), of_mixed_visits(listing.images)
    for name, item in files.items():
        sessions, unnamed = set[str](), list(reversed(item.unnamed))
        chosen: dict[str, str] = {}
        if name not in dying:
            for choice in rules.choices(name):
                if choice.image is not None:
                    trouble = mistaken_visit(name, choice.code, choice.image, rules)
                    if choice.image not in had[name]:
                        trouble = absence(choice.image, item, reasons[name])
                        if trouble.startswith(NOT_ON_DISK) and unnamed:  # one of them may be this image
                            trouble = f"{NAMELESS}: {escaped(unnamed.pop().rpartition('/')[2])}"
                    if (session := session_id(choice.code)) in sessions:
                        trouble = f"{SECOND}: I{choice.image}"
                    chosen[choice.image] = choice.code
                    sessions.add(session)
                    if trouble:
                        found.add(name, trouble)
                    else:
                        found.arriving.append((name, choice.code))
                        found.images[name, choice.code] = choice.image
        own = rows.get(name, ())
        served = {visit_names[row] for row in own if ids[row] in chosen}
        everything = all(visit_names[row] in served for row in own if ids[row] in item.ids or unknown[row])
        if len(own) and everything and item.ids <= listing.known and name not in mixed:
            continue
        for entry in visits_left_out(name, pieces(name), item, set(chosen), set(), reasons[name]):
            dies = name in dying and entry["reason"].startswith(LEFT_OUT)
            found.add(name, f"{DIES}: EXAMDATE_bl is no date" if dies else entry["reason"])
    found.replaced = sorted(replaced(listing, shown))
    return found


def of_mixed_visits(images: pd.DataFrame) -> set[str]:
    """Subjects of whom the list calls images half a year apart by the same visit."""
    days = images.groupby(["SubjectID", "Visit"])["day"]
    spread = days.max() - days.min()
    return {name for name, _ in spread.index[spread > pd.Timedelta(days=MISTAKEN_DAYS)]}


def narrowed(listing: Listing, subjects: set[str]) -> Listing:
    """The rows of some subjects."""
    images, visits = listing.images, listing.visits
    images = images[images["SubjectID"].isin(subjects)].reset_index(drop=True)
    visits = visits[visits["PTID"].isin(subjects)].reset_index(drop=True)
    return replace(listing, images=images, visits=visits)


def by_subject(listing: Listing):
    """A function that gives the listing of one subject, in constant time."""
    images, visits = (
        dict(list(table.groupby(key))) for table, key in ((listing.images, "SubjectID"), (listing.visits, "PTID"))
    )
    empty = listing.images.iloc[:0], listing.visits.iloc[:0]

    def piece(name: str) -> Listing:
        return replace(listing, images=images.get(name, empty[0]), visits=visits.get(name, empty[1]))

    return piece


def replaced(listing: Listing, shown: pd.Series) -> set[str]:
    """Subjects with a processed image that Clinica prefers and that is not on disk while another image is."""
    images = listing.images
    preferred = (images["Orig/Proc"] == "Processed") & images["Sequence"].str.endswith(("Scaled", "N3m"))
    return set(images.loc[preferred & ~shown & images["refusal"].isna(), "SubjectID"])


def filtered_list(meta: pd.DataFrame, found: Arrivals, subjects: Collection[str]) -> list[Finding]:
    """What the list of images holds, where images in folders named like T1w scans are missing in it.

    Args:
        meta: MPRAGEMETA; subjects: PTIDs on disk.
    """
    lacking = found.lost.get(UNLISTED, [])
    if not lacking:
        return []
    rows = meta[meta["SubjectID"].isin(subjects)]
    what = (
        f"your MPRAGEMETA lists only {count(len(rows), 'image')} of the subjects on disk, of the visits "
        f"{commonest(rows['Visit'])}; "
        f"on disk are T1w scans of {count(len(lacking), 'visit')} that it does not list"
    )
    return [Finding("quarantine", what, "MPRAGEMETA", ADVICE[UNLISTED], "the list of T1w images")]


def filtered_visits(merge: pd.DataFrame, found: Arrivals, subjects: Collection[str]) -> list[Finding]:
    """What visits ADNIMERGE has, where scans of several subjects lie far from all of theirs.

    Args:
        merge: ADNIMERGE; subjects: PTIDs on disk.
    """
    lacking = found.lost.get(NO_VISIT, [])
    if len(found.losing(NO_VISIT)) < 2:
        return []
    rows = merge[merge["PTID"].isin(subjects)]
    what = (
        f"your ADNIMERGE has {count(len(rows), 'row')} of the subjects on disk, of the visits "
        f"{commonest(rows['VISCODE'])}; "
        f"{count(len(lacking), 'scan')} on disk are far (mostly half a year and more) from all of their subject's"
    )
    fix = "download the whole ADNIMERGE (a filtered one has some visits alone), or correct its dates"
    return [Finding("quarantine", what, "ADNIMERGE", fix, "the visits of the subjects")]


def commonest(visits: pd.Series) -> str:
    """``bl (40), m12 (31) and 3 more``: the visits with the most rows, and how many others there are."""
    numbers = visits.value_counts()
    names = ", ".join(f"{name} ({number})" for name, number in numbers.head(SHOWN).items())
    return names + (f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else "")


def arrival_findings(found: Arrivals, limit: float, blamed: str = "") -> list[Finding]:
    """``N of M visits will arrive``, and why the others will not, the commonest cause first.

    Args:
        limit: fraction of lost visits above which the conversion stops (``convert.max_quarantined_fraction``).
        blamed: a column that is known to be wrong, to which visits without a scan are owed.
    """
    findings = []
    lost = found.possible - len(found.arriving)
    if not lost and not found.arriving:
        what = f"{found.sentence()}: there would be nothing to convert"
        fix = "look for folders that lie elsewhere, archives that are not unpacked, tables of another download"
        findings.append(Finding("blocking", what, "tables and files", fix, USED))
    if lost:
        causes = sorted(found.lost.items(), key=lambda item: -len(item[1]))
        listed = "; ".join(
            f"{len(where)} x {reason}: {shortened(dict.fromkeys(where), 2)}" for reason, where in causes[:CAUSES]
        )
        more = f"; {len(causes) - CAUSES} further causes" if len(causes) > CAUSES else ""
        subjects = {entry.split(" (")[0] for _, where in causes for entry in where}
        blocking = not found.arriving or too_many_lost(lost, found.possible, len(subjects), limit)
        fix = "; ".join(f"{reason}: {ADVICE[reason]}" for reason, _ in causes[:CAUSES] if reason in ADVICE)
        if blamed and causes[0][0] in (LEFT_OUT, NO_VISIT, SECOND):
            fix = f"mend {blamed} first (see above), to which most of this is owed"
        fix = fix or "see the findings about the same subjects, and make what they name good"
        if blocking:
            fix += "; to accept the loss, raise convert.max_quarantined_fraction"
        severity: Severity = "blocking" if blocking else "quarantine"
        findings.append(Finding(severity, f"{found.sentence()}; lost: {listed}{more}", "tables and files", fix, USED))
    if found.replaced:
        what = (
            f"the processed image that Clinica prefers is not on disk for visits of {shortened(found.replaced)}; "
            "the best image on disk is taken"
        )
        fix = "to have it as well: tick Original, Pre-processed and Post-processed, and add the missing images"
        findings.append(Finding("note", what, "MPRAGEMETA", fix, "choosing one image for a visit"))
    return findings
