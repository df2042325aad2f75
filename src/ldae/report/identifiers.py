"""What gives a person away in a text: names of subjects and images in any spelling, dates, paths and addresses.

A number is an identifier only where the words before it, or its column, say so: among the numbers of a report there is
always one that some image has as its id.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

GAP = r"[\W_]{0,3}"  # between the parts of a name: nothing, a hyphen, a space, a line break, LaTeX's backslash
PART = r"(?:(?:[^\w,;.|]|_){0,3}|\.)"  # the same, within a cell and a sentence
MONTHS = (
    "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    "Nov(?:ember)?|Dec(?:ember)?"
)
ABROAD = (
    "Jänner|Januar|Februar|März|Mär|Mai|Juni|Juli|Okt(?:ober)?|Dez(?:ember)?|janvier|février|mars|avril|juin|juillet|"
    "août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|"
    "noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
)
NTH = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
OF_A_VISIT = r"born|birth\w*|dob|scann?(?:ed)?|seen|visit(?:ed)?|session|acquired|examined|exam|baseline|enrolled"
# What is written like a date and is none, by the words before it and behind it.
MONTHLY = re.compile(r"(?:month|week)s?[ -]{0,2}$"), re.compile(r"[ -]?(?:month|week)s?\b")
COUNTED_AS = (
    re.compile(r"(?:seed|step|iteration|update|parameter)s?\b[^\w.;|]{0,5}$"),
    re.compile(r"[ -]?(?:step|iteration|update|parameter|value|byte|voxel)s?\b"),
)
CALENDAR = "certifi|tzdata|pytz|fsspec|s3fs|gcsfs|dask|distributed|xarray|regex"  # versions of these are dates
VERSION = re.compile(rf"(?:\bv|\bversion|release|==|>=|<=|~=|\b(?:{CALENDAR})(?=\W))[^\w;]{{0,4}}$"), None
ROOTS = "home|Users|mnt|media|scratch|gpfs|lustre|nfs|Volumes|root|data|work|project|projects|srv|export|storage|tmp"
OF_HEADERS = (  # keys of DICOM that say who was scanned, by whom and where
    r"(?:Patients?(?:Name|ID|BirthName|Address)|OtherPatientIDs|AccessionNumber|DeviceSerialNumber|StationName|"
    r"(?:Operators?|(?:Performing|Referring)Physicians?|RequestingPhysician)Name|Institution(?:Name|Address))"
)
BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
YEAR, MONTH, DAY = r"(?:19[3-9]\d|20[0-4]\d)", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
SPELLINGS = {
    "a subject": (
        re.compile(rf"(?<!\d)\d{{3}}{PART}S{PART}\d{{4,6}}(?!\d)"),  # ADNI's, bare or inside another word
        re.compile(rf"(?<!\d)\d{{3}}(?! ){PART}s{PART}\d{{4,6}}(?!\d)"),  # behind a space it is a second
        re.compile(r"(?<!\d)\d{3}_S_\d{1,6}(?!\d)", re.IGNORECASE),
        re.compile(r"(?<!\d)\d{3} *[|\t&] *S *[|\t&] *\d{4,5}(?!\d)"),  # a cell each
        re.compile(r"\bRID[\W_]{1,3}\d{1,5}\b"),
        re.compile(r"\bsub-\w*\d\w*", re.IGNORECASE),  # BIDS
        re.compile(r"(?<![A-Za-z])[A-Z]{3,}\^[A-Z]{3,}"),  # DICOM's, and HL7's: FAMILY^GIVEN
        re.compile(rf"\b{OF_HEADERS}\b[\W_]{{1,5}}\w"),
        re.compile(r"\bMRN[\W_]{1,3}\w*\d{3}|(?<![\d-])\d{3}-\d\d-\d{4}(?![\d-])"),  # hospital's, social security's
    ),
    "an image": (
        re.compile(
            rf"(?<![A-Za-z0-9])I(?:(?!{YEAR}\b)\d{{4,8}}|[-_]\d{{5,8}})(?![A-Za-z0-9])", re.IGNORECASE
        ),  # LONI's
        re.compile(r"(?<![\w.])[012](?:\.(?:0|[1-9]\d*)){6,}(?![\w]|\.\d)"),  # a UID of DICOM
        re.compile(rf"\b(?:image|img|series|scan|loni){GAP}(?:u?id|uid){GAP}\d{{3,10}}", re.IGNORECASE),
    ),
    "a date": (
        re.compile(r"(?<![\d.])(?:19|20)\d\d([-/_:])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d|\.\d)"),
        re.compile(r"(?<![\d.])(?:19|20)\d\d\.(?:0[1-9]|1[0-2])\.(?:0[1-9]|[12]\d|3[01])(?!\d|\.\d)"),
        re.compile(r"(?<![\d./])(?:0[1-9]|[12]\d|3[01])/(?:0[1-9]|[12]\d|3[01])/\d\d(?![\d/]|\.\d)"),
        re.compile(
            rf"\b(?:{NTH}[ .-]{{1,2}}(?:of )?(?:{MONTHS})[ .,-]{{1,2}}|(?:{MONTHS})[ .,-]{{1,2}}{NTH},? )"
            r"(?:19|20)\d\d\b",
            re.IGNORECASE,
        ),
        re.compile(rf"\b{YEAR}[ .,/-]{{1,2}}(?:{MONTHS})[ .,/-]{{1,2}}{NTH}\b", re.IGNORECASE),
        re.compile(  # a month alone is one of a reference
            rf"\b(?:{OF_A_VISIT})\W{{1,5}}(?:(?:in|on|date|was|of)\W{{1,3}})*(?:{MONTHS})[ .,-]{{1,2}}(?:19|20)\d\d\b",
            re.IGNORECASE,
        ),
        re.compile(
            r"(?<![\d.])(?:0?[1-9]|[12]\d|3[01]) ?([-/.]) ?(?:0?[1-9]|[12]\d|3[01]) ?\1 ?(?:19|20)\d\d(?!\d|\.\d)"
        ),
        re.compile(rf"\b\d{{1,2}}\.? (?:de |d')?(?:{ABROAD})\.? (?:de )?(?:19|20)\d\d\b", re.IGNORECASE),
        re.compile(r"\b(?:born|dob|birth\w*|yob)\W{1,5}(?:(?:in|year)\W{1,3})?(?:18|19|20)\d\d\b", re.IGNORECASE),
        re.compile(r"(?:date|born|birth|dob)[a-z]{0,5}\W{1,4}(?:19|20)\d{6}\b", re.IGNORECASE),
        re.compile(rf"(?<![\w.,]){YEAR}{MONTH}{DAY}(?:[T_-]?\d{{4}}(?:\d\d)?)?(?![\w%]|[.,]\d)"),  # bare: 20090312
        re.compile(
            rf"\b(?:0?[1-9]|[12]\d|3[01])[-./ ](?:{MONTHS})\.?[-./ ]'?\d\d\b(?!\d)",
            re.IGNORECASE,
        ),
    ),
    "a path of this machine": (
        re.compile(r"(?<![\w.:/<~>\-])/(?:[\w.+@-]+/)+[\w.+@-]+"),
        re.compile(rf"(?<![\w./])/(?:{ROOTS})/\w|(?<!\w)\\(?:{ROOTS})\\\w"),
        re.compile(r"\$\{?(?:HOME|USER|SCRATCH|TMPDIR|WORK)\b|%USERPROFILE%|(?<![\w.])(?:\.\./){2,}\w"),
        re.compile(r"(?<![\w.])~\w*/\w"),
        re.compile(r"\b[A-Za-z]:(?:\\{1,2}\w|/\w[\w.-]*/)"),
        re.compile(r"\bfile:/+\w", re.IGNORECASE),
        re.compile(r"(?<![\w.-])[\w.-]+:/(?!/)[\w.-]+/[\w.-]+"),  # on another machine
        re.compile(r"(?<![\w\\])\\{2,4}[\w.-]+\\{1,2}\w"),
        re.compile(
            r"\b(?:s3|s3a|gs|gcs|abfss?|wasbs?|az|hdfs|smb|cifs|nfs|afp|sftp|ftps?|scp|ssh|rsync|davs?)://[\w\[]",
            re.IGNORECASE,
        ),
        re.compile(r"(?<![\w.:/<~])//[\w.-]+/[\w.-]+"),  # a share of a server
    ),
    "an address": (
        re.compile(
            r"(?<![\w+])\+\d{1,3}(?:[ .-]\(?\d{1,4}\)?){2,}[ .-]\d{2,4}\b|\(\d{3}\) ?\d{3}[ .-]\d{4}\b"
        ),  # of a telephone
        re.compile(r"\b[\w.+-]+ ?[\[(] ?at ?[\])] ?[\w-]+\.\w", re.IGNORECASE),
        re.compile(
            r"(?<![\w./-])[a-z][a-z-]*\d+(?:\.[a-z][a-z0-9-]*)+\.(?:edu|org|net|com|gov|mil|local|lan|uk|de|fr|ca|it|eu)\b"
        ),
        re.compile(r"(?<![\w/])[\w.+-]+@[A-Za-z][\w-]+(?:\.[\w-]+)*"),
        re.compile(r"(?<![\w/])[\w.+-]+@\d{1,3}(?:\.\d{1,3}){3}"),
        re.compile(rf"(?<![\w.])(?:10|1\d\d|2[0-4]\d|25[0-5])(?:\.{BYTE}){{3}}(?![\w]|\.\d)"),  # no version is so high
        re.compile(
            rf"\b(?:host|ip|address|server|node|from|at|on|via|to)[\W_]{{1,3}}(?:{BYTE}\.){{3}}{BYTE}(?![\w]|\.\d)",
            re.IGNORECASE,
        ),
        re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE),
        re.compile(r"(?<![\w:])fe80::[0-9a-f:]+", re.IGNORECASE),
    ),
}
NUMBERED = re.compile(
    rf"\b(image|img|series|scan|loni|subject|participant|patient|rid|ptid|roster|case|u?id|t1w(?: of)?)"
    rf"(?:{GAP}(?:(?:data|image|loni|roster){GAP})?(?:(?:u?ids?|number|no)\b[\W_]{{0,5}})?(?:is\W)?|s[\W_]{{1,4}}|)"
    rf"(?<!\d)(\d{{1,3}}(?:[,']\d{{3}})+|\d{{1,10}})(?!\d)",
    re.IGNORECASE,
)
OF_LONI = re.compile(r"(?<![A-Za-z0-9])(X?I|D|S)[ _-]?(\d{5,8})(?!\d)")  # an image, its data, its series
OF_FILE = re.compile(r"(?<![\w.])(\d{3,10})(?=\.(?:nii|dcm|mgh|mgz|mnc|img|hdr|xml|json|zip)\b|/\w)")
CELL = re.compile(r"</?t[dhr]\b[^<>]*>", re.IGNORECASE)
APART = re.compile(r"[\t|&=,;<>]|[^\w]{4}")  # what stands between two words, cells or values, not within a name
PIECES = re.compile(r"[^\W\d_]+|\d+")  # runs of letters, runs of digits
SHORTEST = 5  # letters and digits that a name must have to be looked for inside other words
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\([01][0-7]{2})(?![0-9])|\\0{0,4}3(\d) ?")
LATEX = re.compile(r"\{?\\textunderscore\b ?(?:\{\})?\}?|\{?\\_\}?|\$?_\$?\{?_|_{2,}")
SPACED = re.compile(r"(?<!\S)(?:\w ){5,}\w(?!\S)")
TAGS = re.compile(r"<[^<>]*>")
ID_COLUMNS = re.compile(
    r"(?:participant|subject|patient|image|scan|series|session|visit|exam|birth)[ _-]?(?:u?id|name|code|date|day)?s?|"
    r"rid|ptid|uid|loni\w*|dob|date|path|file(?:name)?|t1w",
    re.IGNORECASE,
)
COUNTS = {"subjects", "scans", "images", "sessions", "visits"}  # of these columns the cells are numbers of them
MANY = 3  # cells of one column that are names of images make it a column of names
SERIES = 5  # cells that differ in a number alone, or that count rows, make it one of people
OF_ONE = {
    "age", "months", "sex", "gender", "mmse", "cdr", "site", "field_strength", "study_phase", "age_from",
    "converted_by", "weight", "height", "education", "apoe4", "apoe", "handedness", "race", "ethnicity", "shard",
    "split",
}  # fmt: skip  # what is known of one person or visit; a table of groups has a column that counts them
COUNTED = re.compile(r"(?:n_)?subjects(?:_\w+)?|\w+_subjects|subjects here|n")
OF_WORK = "figure|table|stage|step|section|level"  # numbered words that are no people
SERIAL = re.compile(r"([^\W\d][\w .#-]{0,20}?)[ _.#-]{0,3}(\d{1,6})")


@dataclass(frozen=True)
class Names:
    """The names of a cohort, folded for the search.

    Args:
        joined: names that hold letters and digits, without anything between them, in small letters.
        numbers: names that are a number, without leading zeros.
        words: every other name, in small letters.
    """

    joined: frozenset[str]
    numbers: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """From subjects (``sub-ADNI002S0295``) and images (``12345``, ``I12345``), as a manifest holds them."""
        joined, numbers, words = set(), set(), set()
        for name in names:
            bare = name.strip().casefold().removeprefix("sub-")
            pieces = PIECES.findall(bare)
            folded = "".join(pieces)
            if not folded:
                continue
            if folded.isdigit():
                numbers.add(folded.lstrip("0") or "0")
            elif any(piece.isdigit() for piece in pieces) and len(folded) >= SHORTEST:
                joined.add(folded)
            else:
                words.add(name.strip().casefold())
        return cls(frozenset(joined), frozenset(numbers), frozenset(words))


NOBODY = Names.of(())


def plain(text: str) -> str:
    """The text as a reader sees it: entities, percent signs and escapes undone, without invisible characters."""
    for _ in range(3):  # what was escaped twice
        before, text = text, unquote(html.unescape(text))
        text = ESCAPED.sub(
            lambda match: (
                chr(int(match[1] or match[2] or "0", 16) or int(match[3] or "0", 8)) if match[4] is None else match[4]
            ),
            text,
        )
        if text == before:
            break
    text = SPACED.sub(lambda match: match.group().replace(" ", ""), LATEX.sub("_", text))
    if text.isascii():
        return text
    return "".join(filter(None, (SEEN.get(sign) or _seen(sign) for sign in unicodedata.normalize("NFKC", text))))


LOOK_ALIKE = {"АВЕІЈМНОРЅСТХԌ": "ABEIJMHOPSCTXG", "аеіјорѕсхуԁ": "aeijopscxyd", "ΑΒΕΙΚΜΝΟΡΣΤΧ": "ABEIKMNOPSTX",
              "οι": "oi", "ՏꓢᏚᎪᎠⅮՕ": "SSSADDO"}  # fmt: skip  # Cyrillic, Greek, and the S of other scripts
SEEN = {sign: sign for sign in map(chr, range(128))} | {
    sign: seen for signs, read in LOOK_ALIKE.items() for sign, seen in zip(signs, read, strict=True)
}


def _seen(sign: str) -> str:
    """A letter as it is read: dashes and digits of every script as ours, without what is not seen."""
    kind = unicodedata.category(sign)
    if kind in ("Cf", "Mn"):
        return ""
    return "-" if kind == "Pd" or sign == "\N{MINUS SIGN}" else str(unicodedata.digit(sign)) if kind == "Nd" else sign


def identifier(text: str, names: Names) -> str | None:
    """The first identifier in a text, quoted with its kind; none when there is none.

    Args:
        text: of one file, decoded.
        names: of the cohort.
    """
    seen = CELL.sub("|", plain(text))
    for view in dict.fromkeys((seen, TAGS.sub("", seen), TAGS.sub(" ", seen))):
        for kind, patterns in SPELLINGS.items():
            for pattern in patterns:
                found = next((match for match in pattern.finditer(view) if not excused(view, match)), None)
                if found:
                    return f"{found.group().strip()!r} ({kind})"
        for found in (*NUMBERED.finditer(view), *OF_LONI.finditer(view), *OF_FILE.finditer(view)):
            number = re.sub("[,']", "", found.groups()[-1])
            if number != found.groups()[-1] and re.match(r"[A-Za-z]+s\b", found.group()):
                continue  # as many of them
            if (number.lstrip("0") or "0") in names.numbers and len(number) >= MANY:
                return f"{found.group()!r} (a number of the cohort, called so)"
        known = next(known_names(view, names), None)
        if known is not None:
            return f"{known!r} (a name of the cohort)"
    return None


def excused(text: str, found: re.Match[str]) -> bool:
    """Whether what is written like a date is said to be a version, a count or a list of months."""
    if not (written := re.fullmatch(r"\d+(?:([./])\d\d\1\d\d)?", found.group())):
        return False
    before, behind = {".": VERSION, "/": MONTHLY, None: COUNTED_AS}[written[1]]
    said, follows = text[max(0, found.start() - 24) : found.start()].casefold(), text[found.end() :][:12].casefold()
    return bool(before.search(said) or (behind and behind.match(follows)))


def known_names(text: str, names: Names) -> Iterator[str]:
    """The cohort's own names in a text, also inside longer words and with other separators."""
    folded = text.casefold()
    if names.words:
        yield from (word for word in re.findall(r"[\w-]+", folded) if word in names.words)
    if not names.joined:
        return
    parts = [PIECES.findall(name) for name in names.joined]
    first, last = {part[0] for part in parts}, max(len(part) for part in parts)
    found = list(PIECES.finditer(folded))
    pieces = [match.group() for match in found]
    for place, piece in enumerate(pieces):
        ends = [piece[begin:] for begin in range(len(piece)) if piece[begin:] in first] if piece.isalpha() else [piece]
        for start in ends:
            if start in first:
                candidate = start
                for nearby in range(place, min(place + last, len(pieces))):
                    if nearby > place:
                        if APART.search(folded, found[nearby - 1].end(), found[nearby].start()):
                            break
                        candidate += pieces[nearby]
                    if candidate in names.joined:
                        yield candidate


def column_of_names(columns: dict[str, list[str]], names: Names) -> str | None:
    """The first column of a table that holds one row per person, scan or date; none when there is none."""
    words = {title: re.sub(r"\s*\(.*\)$", "", title.strip().casefold()).replace(" ", "_") for title in columns}
    if not any(COUNTED.fullmatch(word) for word in words.values()):
        if single := next((title for title, word in words.items() if word in OF_ONE), None):
            return single
        first = next(iter(columns), "")
        if columns and (numbered(columns[first]) or counted_up(columns[first])):
            return first
    for title, cells in columns.items():
        word = title.strip().casefold()
        if ID_COLUMNS.fullmatch(word) and word not in COUNTS:
            return title
        whole = [found[1] for cell in cells if (found := re.fullmatch(r"\s*(\d{4,})(?:\.0*)?\s*", cell))]
        numbers = [number.lstrip("0") for number in whole]
        hits = sum(number in names.numbers for number in numbers)
        if hits >= MANY and 2 * hits > len(cells):
            return title
    return None


def numbered(cells: Iterable[str]) -> list[str]:
    """Cells that are one word with different numbers, as names of participants are: P01, P02, ...; none where these
    are fewer than five."""
    series: dict[str, set[str]] = {}
    for cell in cells:
        if found := SERIAL.fullmatch(cell.strip()):
            series.setdefault(found[1].casefold(), set()).add(cell.strip())
    return next((sorted(names) for names in series.values() if len(names) >= SERIES), [])


def counted_up(cells: list[str]) -> bool:
    """Whether cells count their rows: 1, 2, 3, ... or 0, 1, 2, ..."""
    plain_numbers = [cell.strip() for cell in cells]
    return len(cells) >= SERIES and plain_numbers in (
        [str(number + start) for number in range(len(cells))] for start in (0, 1)
    )
