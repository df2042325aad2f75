"""What is installed: every file belongs to one package, so that it is the one that the lock names."""

import csv
import sysconfig
from collections import defaultdict
from importlib.metadata import distributions

import pytest

NOBODY_IMPORTS = "tests/"  # two wheels that carry their tests by mistake (ancpbids, monai-generative)


@pytest.mark.slow
def test_no_two_packages_own_one_file():
    """Two wheels with one path overwrite each other; which is left depends on the order of unpacking (two NCCLs)."""
    owners = defaultdict(set)
    for package in distributions(path=[sysconfig.get_path("purelib")]):
        for path, *_ in csv.reader((package.read_text("RECORD") or "").splitlines()):
            owners[path].add(package.name)
    shared = {path: sorted(names) for path, names in owners.items() if len(names) > 1}
    assert {path: names for path, names in shared.items() if not path.startswith(NOBODY_IMPORTS)} == {}
    assert len(owners) > 10_000  # the records were read
