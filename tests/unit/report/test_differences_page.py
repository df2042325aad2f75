"""docs/differences.md and the report speak of every switch, from the same table."""

from pathlib import Path

import pytest
import yaml

from ldae.config import merge, parse_config
from ldae.config.switches import SWITCHES
from ldae.report.differences import differences_page, switched

ROOT = Path(__file__).parents[3]


def test_the_page_is_in_step_with_the_table():
    assert (ROOT / "docs" / "differences.md").read_text(encoding="utf-8") == differences_page(), "run `make docs`"


def test_the_page_names_every_switch_value_and_rule():
    page = differences_page()
    for switch in SWITCHES:
        assert f"`{switch.key}`" in page
        assert all(words in page for words in switch.words.values())
        assert all(f"`{rule}`" in page for rule in switch.rules)


@pytest.mark.parametrize("mode", ["paper", "authors_code"])
def test_the_report_lists_the_switches_on_which_not_all_agree(mode):
    paper = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    found = {
        subject: (theirs, here)
        for subject, theirs, here in switched(parse_config(merge(paper, {"method": {"mode": mode}})))
    }
    assert set(found) == {switch.subject for switch in SWITCHES if switch.paper != switch.authors_code}
    for switch in SWITCHES:
        if switch.subject in found:
            assert found[switch.subject][1] == switch.say(switch.value(mode))
            assert switch.say(switch.authors_code) in found[switch.subject][0]
    demo = parse_config(merge(paper, {"preprocessing": {"registration": {"transform": "affine"}}}))
    assert ("Registration", SWITCHES[0].say("syn"), SWITCHES[0].say("affine")) in switched(demo)
