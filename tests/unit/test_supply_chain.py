"""What the product is built from: known weaknesses, the bill of materials, the base of the images, the lock's tools."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "envs"))

import audit  # noqa: E402
import sbom  # noqa: E402


def test_no_locked_package_has_a_weakness_that_the_list_knows():
    names, rows = audit.locked(audit.LOCK.read_text()), audit.read()
    assert len(names) > 200 and len(rows) > 100
    assert {row["package"] for row in rows} <= set(names)
    assert audit.hits(names, rows) == []


@pytest.mark.parametrize(
    ("version", "fixed", "hit"), [("9.0.2", "9.0.3", True), ("9.0.3", "9.0.3", False), ("99", "", True)]
)
def test_a_version_before_the_mended_one_is_one_sentence(version, fixed, hit):
    row = {"package": "a-b", "introduced": "1.0", "fixed": fixed, "advisory": "X-1", "aliases": "", "what": "Bad."}
    found = audit.hits(audit.locked(f"A_b=={version} \\\n    --hash=sha256:00\n"), [row])
    cure = "no version mends it" if not fixed else "take 9.0.3 or later"
    assert found == ([f"a-b {version} falls under X-1: {cure}. Bad."] if hit else [])
    assert audit.hits(audit.locked("a-b==0.9\n"), [row]) == []


def test_the_list_is_made_of_the_database_s_advisories():
    ranges = [{"type": "GIT", "events": []}, {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]
    ranges[1]["events"] += [{"introduced": "3"}]
    advisory = {"id": "X-1", "details": "It\n is", "affected": [{"package": {"name": "A.b"}, "ranges": ranges}]}
    rows = list(audit.rows_of(advisory, "here"))
    assert [(row["package"], row["introduced"], row["fixed"]) for row in rows] == [("a-b", "0", "2"), ("a-b", "3", "")]
    one, last = {"package": {"name": "A.b"}}, [{"introduced": "1"}, {"last_affected": "2"}]
    upto = advisory | {"affected": [one | {"ranges": [ranges[1] | {"events": last}]}, one | {"versions": ["5"]}]}
    known = [audit.hits(audit.locked(f"a-b=={version}\n"), list(audit.rows_of(upto, "here"))) for version in "12356"]
    assert [len(hits) for hits in known] == [1, 1, 0, 1, 0]
    assert rows[0]["what"] == "It is" and not list(audit.rows_of(advisory | {"withdrawn": "2024"}, "here"))


def test_the_bill_of_materials_names_every_installed_package():
    bill = sbom.bill()
    named = {part["name"]: part["version"] for part in [*bill["components"], bill["metadata"]["component"]]}
    assert named == {canonicalize_name(package.name): package.version for package in distributions()}
    known = {part["bom-ref"] for part in [*bill["components"], bill["metadata"]["component"]]}
    asked = {ref: entry for entry in bill["dependencies"] for ref in [entry["ref"]]}
    assert set(asked) == known and set().union(*(entry["dependsOn"] for entry in bill["dependencies"])) <= known
    product = asked[bill["metadata"]["component"]["bom-ref"]]["dependsOn"]
    assert any(ref.startswith("pkg:pypi/torch@") for ref in product) and len(product) > 20


def test_both_images_begin_with_the_same_digest_and_hold_the_bill():
    docker, apptainer = ((ROOT / name).read_text() for name in ("Dockerfile", "apptainer.def"))
    bases = [re.search(r"python\S*@(sha256:[0-9a-f]{64})$", text, re.MULTILINE)[1] for text in (docker, apptainer)]
    assert bases[0] == bases[1]
    assert all("setup sbom" in text for text in (docker, apptainer))


def test_the_tools_of_the_lock_are_as_new_as_they_must_be():
    names = audit.locked(audit.LOCK.read_text())
    assert names["pytest"] >= audit.parsed("9.0.3") and "uv" in names
    assert "$(UV)" in (ROOT / "Makefile").read_text()  # which set-up installs, by the lock's version
