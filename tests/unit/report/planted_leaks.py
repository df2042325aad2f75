"""Leaks planted in a public bundle, each found or not, and bundles without one: `make leaks`, and test_leaving.py."""

import base64
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from public_bundle import (
    CARD,
    FIGURE,
    IMAGE,
    OTHERS,
    PAGE,
    SUBJECT,
    SVG,
    TABLE,
    TSV,
    add,
    counted,
    drawn,
    drawn_word,
    estimates,
    file,
    in_drawing_of_report,
    in_svg,
    inside,
    number,
    people,
    png,
    scatter,
    spelled,
    table,
    utf_16,
    write_bundle,
)

from ldae.core.errors import UserError
from ldae.core.files import write_tsv
from ldae.report.methods_text import references
from ldae.report.public import check_public

AGES = " ".join(f"{60 + place * 7 % 30}.{place % 10}" for place in range(20))
BIB = references()["n4"].bibtex
RASTER = base64.b64encode(png()).decode()
PERCENTS = quote('<svg xmlns="http://www.w3.org/2000/svg"><desc>941_S_0053</desc></svg>')
PAGES = "http://www.w3.org/1999/xhtml"
LEAKS = {
    **{
        f"subject as {words}": add(CARD, f"\nseen in {words}, as an example\n")
        for words in (
            "sub-ADNI941S0053", "941_S_0053", "ADNI941S0053", "941-S-0053", "941 S 0053", "941_s_0053", "941S0053",
            r"941\_S\_0053", "xADNI941S0053y", "SUB-ADNI941S0053", "941_S_\n0053", "941&#95;S&#95;0053",
            "941%5FS%5F0053", "941\u200b_S_\u200b0053", "\uff19\uff14\uff11_S_0053", "OAS30001", "oas-30001",
            "sub-oas30001_ses-d0129", "mr/OAS30001_MR_d0129", "subject 4821", "RID 0053", "941_S_53", "941–S–0053",
            "941 S 0053", "941 — S — 0053", "941_\u0405_0053", "941%255FS%255F0053", "941&amp;#95;S&amp;#95;0053",
            r"941\textunderscore S\textunderscore 0053", "941__S____0053", "O A S 3 0 0 0 1", "case 4821", "id 4821",
            "participants: [4821]", "4821/T1.nii", "941.S.0053", "941_\u0455_0053", "941_\ua4e2_0053",
            "OTQxX1NfMDA1Mw==", "3934315f535f30303533", "DOE^JANE^A", "PatientName: Doe", "OperatorsName=Ada",
            "MRN 00482193", "078-05-1120",
        )
    },
    **{
        f"image as {words}": add(CARD, f"\nsee {words}\n")
        for words in (
            "I1234567", "_I1234567_", "i1234567", "image 1234567", "ImageUID: 1234567", "image_id = 99999", "I-1234567",
            "Image Data ID 1234567", "images 1234567 and 1234568", "I 1234567", "S1234567", "uid 1234567",
            "image id is 1234567", "1234567.nii.gz", "image 1,234,567", "image 1'234'567",
            "(1.2.840.113619.2.55.3.604688119.971)",
        )
    },
    **{
        f"date as {words}": add(CARD, f"\nscanned {words}\n")
        for words in ("2009-03-12", "3/12/2009", "12.03.2009", "12-MAR-2009", "March 12, 2009", "date: 20090312",
                      "on 2009-03-12.", "on 12.03.2009.", "StudyDate: 20090312", "2009_03_12", "12/03/09", "20090312",
                      "20090312T154100", "2009–03–12", "12-Mar-09", "3 - 12 - 2009", "12. März 2009",
                      "12 de marzo de 2009", "2009:03:12", "2009 Mar 12", "12th of March 2009", "in Mar 2009")
    },
    **{
        f"machine as {words}": add(CARD, f"\nfrom {words}\n")
        for words in ("/home/ada/adni", "/gpfs/lab/ADNI", "~/adni", r"C:\Users\ada", r"\\nas\adni", "ada@login01",
                      "file:///home/ada/adni", "login01:/scratch/ada/adni", "C:/Users/ada/adni", "ada@10.0.0.1",
                      "s3://lab-bucket/adni", "smb://nas/adni", "//nas/share/adni", "/Volumes/nas/adni", "$HOME/adni",
                      "</home/ada/adni>", "../../ada/adni", "10.12.0.3", "192.168.1.20", "host 12.8.4.1",
                      "fe80::1ff:fe23:4567:890a", "login01.hpc.example.edu", "ada [at] lab.edu",
                      "+1 415 555 0132", "(415) 555-0132")
    },
    "table of subjects": table("participant_id", ["a", "b"]),
    "column of image ids under another name": table("n", [1234567, 1234568, 1234569]),
    "subject in LaTeX": add(f"tables/{TABLE}.tex", r"941\_S\_0053"),
    "subject in JSON escapes": add(CARD, r"941\u005fS\u005f0053"),
    "subject in headline": file("headline.json", b'{"941_S_0053": 1}'),
    "image id under its key": file("headline.json", b'{"image_id": 77777}'),
    "subject in a tag's middle": add(PAGE, "941<b>_S_</b>0053"),
    "subject in an alternative text": add(PAGE, '<img alt="941_S_0053" src="data:image/svg+xml;base64,">'),
    "subject in a comment of a drawing": inside(SVG, "</svg>", "<!-- 941_S_0053 -->"),
    "subject drawn letter by letter": drawn_word,
    "subject in metadata of a drawing": inside(SVG, "</svg>", "<desc>ADNI941S0053</desc>"),
    "subject in a drawing of the report": in_drawing_of_report("<text>941_S_0053</text>"),
    "subject in a drawing of the report in percents": add(PAGE, f'<img alt="" src="data:image/svg+xml,{PERCENTS}">'),
    "link to a file elsewhere": add(PAGE, '<a href="tables/../../raw/x.tsv">x</a>'),
    "raster in a drawing": inside(SVG, "</svg>", f'<image href="data:image/png;base64,{RASTER}"/>'),
    "raster in a drawing of the report": in_drawing_of_report(f'<image href="data:image/png;base64,{RASTER}"/>'),
    "raster in the report": add(PAGE, f'<img src="data:image/png;base64,{RASTER}">'),
    "picture of a file": add(PAGE, '<img src="/data/scan.png">'),
    "words hidden in base64": add(CARD, base64.b64encode(b"941_S_0053 " * 30).decode()),
    "data of another kind": add(PAGE, f'<a href="data:text/plain;base64,{RASTER}">x</a>'),
    "scan under an allowed name": file(f"figures/{FIGURE}.png", png()),
    "text chunk of a picture": file(f"figures/{FIGURE}.png", png(b"Comment\x00941_S_0053")),
    "capital suffix": file("figures/slices.PNG", png()),
    "photograph": file("figures/a.jpg", b"\xff\xd8\xff"),
    "volume": file("tables/scan.nii.gz", b"\x1f\x8b"),
    "sheet": file("tables/x.csv", b"a,b\n"),
    "note": file("x.txt", b"hello"),
    "name of a file": file("tables/941_S_0053.tsv", b"a\tb\n"),
    "private table": file("tables/exclusions.tsv", b"reason\tscans\nmotion\t3\n"),
    "folder in a folder": file("raw/headline.json", b"{}"),
    "pages of quality control": file("qc/index.html", b"<p>x</p>"),
    "page under an allowed folder": file("figures/index.html", b"<p>x</p>"),
    "thumbnail": file(f"figures/{FIGURE}.webp", b"RIFF0000WEBP"),
    "ratings": file("tables/qc_exclude.tsv", b"reason\nmotion\n"),
    "script": add(PAGE, "<script>fetch('https://x')</script>"),
    "script in a drawing": inside(SVG, "</svg>", "<script>1</script>"),
    "handler": add(PAGE, '<p onclick="1">x</p>'),
    "entity": inside(SVG, "<svg", '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    "image ids in a list": file("headline.json", b'{"image_ids": [1234567]}'),
    "words in wrapped base64": add(CARD, f"\n{base64.encodebytes(b'941_S_0053 ' * 30).decode()}"),
    "folder without a file": lambda folder: (folder / "tables/941_S_0053").mkdir(),
    "script of a page in a drawing": inside(SVG, "</svg>", f'<x:script xmlns:x="{PAGES}">1</x:script>'),
    "script in Markdown": add(CARD, "<script>1</script>"),
    "script behind a short comment": add(PAGE, "<!--><script>1</script>-->"),
    "link that runs": add(PAGE, '<svg><a xlink:href="javascript:1"><text>x</text></a></svg>'),
    "style from elsewhere": add(PAGE, '<link rel="stylesheet" href="https://x.org/x.css">'),
    "picture in Markdown": add(CARD, "\n![](https://x.org/x.png)\n"),
    "page that tells": add(PAGE, '<a href="#x" ping="https://x.org">x</a>'),
    "element inside a style": add(PAGE, "<math><style><img src=x onerror=1></style></math>"),
    "picture of a style": add(PAGE, "<style>p{background:url(https://x.org/x)}</style>"),
    "page that goes elsewhere": add(PAGE, '<meta http-equiv="refresh" content="0;url=https://x.org">'),
    "formula": add(TSV, '=HYPERLINK("http://x","x")\t1\n'),
    "column that nobody declared": people({"method": "method", "fraction": "fraction", "age": "age"}),
    "people without names": people({"age": "age", "sex": "sex"}),
    "people under a metric's name": people({"method": "method", "auc_ad": "age", "subjects": "subjects"}),
    "people called methods": people({"method": "who", "auc_ad": "age", "subjects": "subjects"}),
    "people called metrics": people({"metric": "who", "estimate": "age", "subjects": "subjects"}),
    "people as fractions, counted by nobody": people({"method": "method", "fraction": "fraction", "estimate": "age"}),
    "people in Markdown alone": people({"age": "age", "sex": "sex"}, (".md",)),
    "people in LaTeX alone": people({"who": "who", "estimate": "age"}, (".tex",)),
    "more rows in Markdown": people({"method": "method", "fraction": "fraction"}, (".md",)),
    "people in the table of a figure": people({"row": "row", "value": "age"}, (".tsv",), f"figures/{FIGURE}"),
    "people beside a table": add(f"tables/{TABLE}.md", "\n71.2 F, 80.1 M, 66.0 F\n"),
    "people in the card": add(CARD, "\n| age | sex |\n| --- | --- |\n| 71.2 | F |\n| 80.1 | M |\n"),
    "people counted in the card": add(CARD, "\n| | y |\n|---|---|\n" + "".join(f"| {n} | 7 |\n" for n in range(9))),
    "people in the report": add(PAGE, "<table><tr><th>Age<th>Sex</tr><tr><td>71<td>F</tr></table>"),
    "people with labels in the report": add(
        PAGE, "<table><tr><th>x<th>y</tr>" + "".join(f"<tr><td>case {n}<td>{n}</tr>" for n in range(9)) + "</table>"
    ),
    "people separated by commas": add(CARD, "\nage,sex\n71,F\n80,M\n66,F\n"),
    "number that nobody declared": file("headline.json", b'{"age_of_the_oldest": {"value": 94.1}}'),
    "people in the headline": file("headline.json", b'{"auc_ad_cv": {"value": [71.2, 80.1, 66.0]}}'),
    "people as objects": file("ro-crate-metadata.json", b'{"x": [{"age": 71.2, "y": 1}, {"age": 80.1, "y": 2}]}'),
    "people as lists": file("ro-crate-metadata.json", b'{"x": {"age": [71.2, 80.1]}}'),
    "a point for every scan": scatter,
    "a line for every subject": drawn(lambda axes, rng: [axes.plot([rng.random(), rng.random()]) for _ in range(60)]),
    "a bar for every age": drawn(lambda axes, rng: axes.hist([rng.uniform(55, 92) for _ in range(150)], bins=120)),
    "a mark for every outlier": drawn(lambda axes, rng: axes.plot([rng.random() for _ in range(30)], "o")),
    "people in a legend": drawn(lambda axes, rng: [axes.text(0, row, f"P{row}") for row in range(8)]),
    "drawing of the report that is no figure": in_drawing_of_report("<text>x</text>"),
    "drawing without its numbers": lambda folder: (folder / "figures" / f"{FIGURE}.tsv").unlink(),
    "people in a reason": file(f"figures/{FIGURE}.tsv", b"reason\n" + b" ".join(b"7%d" % n for n in range(20))),
    "people as pairs of methods": people({"method": "pairs", "estimate": "age", "subjects": "subjects"}),
    "people as steps": people({"fraction": "fraction", "estimate": "age", "subjects": "subjects"}),
    "people in a note": people({"method": "method", "note": "list", "subjects": "subjects"}),
    "people in a list": add(CARD, "".join(f"\n- P{n:02d}: {n}" for n in range(9))),
    "people in a list of numbers": add(CARD, "".join(f"\n7{n}.2 F" for n in range(9))),
    "people in HTML of the card": add(CARD, "<table><tr><td>age<td>y</tr><tr><td>71<td>3</tr></table>"),
    "people in a list of the report": add(PAGE, "".join(f"<li>P{n:02d} {n}</li>" for n in range(9))),
    "people in a comment of the report": add(PAGE, "<!--\nage\ty\n71\t3\n-->"),
    "words for a number of the headline": file("headline.json", b'{"auc_ad_cv": {"value": "F, seventy"}}'),
    "numbers in the metadata": file("ro-crate-metadata.json", b'{"x": [71, 80, 66, 59, 73, 81, 77, 64, 70]}'),
    "keys of people": file("ro-crate-metadata.json", b'{"x": {"P1": 7, "P2": 8, "P3": 6, "P4": 5, "P5": 9}}'),
    "key that no configuration has": file("configuration.yaml", b"people: 71\n"),
    "reference that nobody cites": file("references.bib", b"@misc{people, note={71 F}}\n"),
    "points in one path": inside(SVG, "</svg>", f'<path d="{"M 1 1 h 1 " * 60}"/>'),
    "pixels, each a group": inside(SVG, "</svg>", '<g><rect x="1" y="1" width="1" height="1"/></g>' * 3600),
    "pixels of a gradient": inside(SVG, "</svg>", f'<linearGradient>{"<stop/>" * 900}</linearGradient>'),
    "LaTeX of its own": add(f"tables/{TABLE}.tex", "\\input{/etc/passwd} \\\\\n"),
    "LaTeX in the card": add(CARD, "\\write18{ls}"),
    "formula of words": add(TSV, "-SUM(1)\t1\n"),
    **{
        f"formula {words}": add(TSV, f"{words}\t1\n")
        for words in ("-2+WEBSERVICE(A1)", "+1+HYPERLINK(A1)", "-1+cmd|x", "\uff1d1", "\u200b=1")
    },
    "words in base85": add(CARD, base64.b85encode(b"941_S_0053 " * 40).decode()),
    "a name in three cells": add(CARD, "\n| 941 | S | 0053 |\n"),
    "year of birth": add(CARD, "\nborn in 1940\n"),
    "words in base64 in a description of a drawing": in_svg(f"<desc>{base64.b64encode(b'941_S_0053').decode()}</desc>"),
    "words in hexadecimal in a name of a drawing": in_svg('<g id="3934315f535f30303533"/>'),
    "words in hexadecimal in names of marks": in_svg(
        '<path id="m3934315f53" d="M 0 0"/><path id="m5f30303533" d="M 0 0"/>'
    ),
    "subject spelled by the numbers of the font": in_svg(spelled("941_S_0053")),
    "subject spelled under another comment": in_svg(spelled("941_S_0053", comment="24 months")),
    "subject spelled backwards": in_svg(spelled("941_S_0053", -1, "3500_S_149")),
    "subject spelled in three words": in_svg("".join(spelled(part, comment=part) for part in ("941", "S", "0053"))),
    "subject spelled sign by sign": in_svg("".join(spelled(sign, comment=sign) for sign in "OAS30001")),
    "letters of a font of its own": in_svg('<path id="Mine-41" d="M 0 0"/><use xlink:href="#Mine-41"/>'),
    "ages as words of a drawing": in_svg(spelled(AGES, comment=AGES)),
    "an age for each word of a drawing": in_svg("".join(spelled(age, comment=age) for age in AGES.split() * 6)),
    "text of a drawing": in_svg(f"<text>{AGES}</text>"),
    "an attribute of a drawing": in_svg(f'<g data-ages="{AGES}"/>'),
    "pixels in the corners of one path": in_svg(f'<path d="{"M 1 1 L 2 1 " * 1300}"/>'),
    "pixels in relative steps": in_svg(f'<path d="M 1 1 {"h 1 " * 50}"/>'),
    "pixels as dashes": in_svg(f'<path d="M 0 0 L 9 0" style="stroke-dasharray: {",".join(["1"] * 60)}"/>'),
    "pixels as patterns of dashes": in_svg(
        "".join(f'<path d="M 0 0 L 9 0" style="stroke-dasharray: {place},1"/>' for place in range(1, 40))
    ),
    "pixels as colours": in_svg(
        "".join(f'<g id="patch_9"><path d="M 0 0" style="fill: #{grey:02x}4050"/></g>' for grey in range(99))
    ),
    "pixels as letters": in_svg("".join(spelled("." * 56, comment="." * 56) for _ in range(56))),
    "pixels as blocks": in_svg(spelled("\u2588\u2591", comment="\u2588\u2591")),
    "style of its own in a drawing": in_svg(f"<style>*{{--ages: {AGES}}}</style>"),
    "pixels as a style of the report": add(PAGE, f"<style>i{{box-shadow:{','.join(['1px 1px #aaa'] * 99)}}}</style>"),
    "style of an element": add(PAGE, '<p style="color:#717365">x</p>'),
    "attribute of the report": add(PAGE, f'<p data-x="{AGES}">x</p>'),
    "ages in an alternative text": add(PAGE, f'<img alt="{AGES}" src="data:image/svg+xml,">'),
    "comment of the report": add(PAGE, "<!-- hello -->"),
    "parameter of embedded data": add(PAGE, '<img alt="" src="data:image/svg+xml;who=OTQxX1NfMDA1Mw;base64,">'),
    "capital letters of embedded data": add(PAGE, '<img alt="" src="data:Image/SVG+xml;base64,eA==">'),
    "ages in one line": add(CARD, f"\n{AGES} {AGES} {AGES}\n"),
    "ages in one cell": add(CARD, f"\n| x |\n| --- |\n| {AGES} |\n"),
    "ages between words": add(CARD, "\n" + "; ".join(f"one was {age} when seen" for age in AGES.split() * 3) + "\n"),
    "ages in a paragraph": add(PAGE, f"<p>{AGES}</p>"),
    "ages in paragraphs": add(PAGE, "".join(f"<p>{age}</p>" for age in AGES.split())),
    "ages in a remark of the configuration": file("configuration.yaml", f"seed: 42 # {AGES[:20]}\n".encode()),
    "ages as the seed": file("configuration.yaml", b"seed:\n- 71\n- 80\n"),
    "ages in a note of a reference": file("references.bib", BIB.replace("  year", "  note = {71 F},\n  year").encode()),
    "a number of one subject": number(n_subjects=1),
    "a number of nobody": number(n_subjects=0),
    "a number of nobody knows how many": number(n_subjects=None),
    "bounds without a number": number(value=None, low=71.2),
    "a group of nobody with numbers": counted([40, 0]),
    "a group of nobody knows how many": counted(["40", "n/a"]),
    "a group of words": counted(["40", "many"]),
    "brackets without end": file("headline.json", b"[" * 200_000),
    "a word for a number of subjects": lambda folder: write_tsv(
        folder / f"figures/{FIGURE}.tsv", estimates().astype({"n_subjects": object}).replace({"n_subjects": {40: "x"}})
    ),
    "other encoding": utf_16,
    "zero bytes": add(CARD, "\0"),
}  # fmt: skip
FEWEST = 10  # subjects, as of a real cohort
KNOWN = [SUBJECT, IMAGE, "1234568", "1234569", OTHERS, "sub-4821"]  # names of the cohort of the planted bundle


def cohorts(number: int) -> Iterator[list[str]]:
    """Subjects and 10,340 image ids of the range that ADNI uses, drawn anew each time."""
    rng = random.Random(1)
    for _ in range(number):
        images = [str(image) for image in rng.sample(range(30000, 1700000), 10340)]
        yield [*images, *(f"sub-ADNI{rng.randrange(2, 942):03d}S{rng.randrange(1, 9999):04d}" for _ in range(2150))]


def passes(folder: Path, names: list[str]) -> bool:
    """Whether the check lets a bundle leave."""
    try:
        check_public(folder, names, fewest=FEWEST if folder.name == "clean" else 0)
    except UserError as error:
        print(f"  {error}", file=sys.stderr)
        return False
    return True


def main() -> int:
    """``planted_leaks.py DRAWS [PUBLIC]``: the same leaks and draws in a bundle of a run, where one is given."""
    draws, given, start = int(sys.argv[1]), [Path(name) for name in sys.argv[2:]], time.monotonic()
    with TemporaryDirectory() as scratch:
        clean = Path(scratch) / "clean"
        write_bundle(clean)
        passed = []
        for name, leak in LEAKS.items():
            folder = shutil.copytree(clean, Path(scratch) / "leak")
            leak(folder)
            try:
                check_public(folder, KNOWN, fewest=FEWEST)
                passed.append(name)
            except UserError:
                pass
            shutil.rmtree(folder)
        alarms = sum(not passes(folder, names) for names in cohorts(draws) for folder in (given or [clean]))
    print(*(f"not found: {name}" for name in passed), sep="\n", end="\n" if passed else "")
    counted = {"planted": len(LEAKS), "caught": len(LEAKS) - len(passed), "draws": draws, "false_alarms": alarms}
    print(json.dumps(counted | {"seconds": round(time.monotonic() - start)}))
    return int(bool(passed or alarms))


if __name__ == "__main__":
    sys.exit(main())
