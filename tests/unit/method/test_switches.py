"""The table of switches, the mode that sets them, and the rules that a change of one plans again."""

from pathlib import Path

import pytest
import yaml

from ldae.config import Config, load_config, merge, parse_config
from ldae.config.switches import SWITCHES, chosen, method_of
from ldae.core.errors import UserError

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config" / "config.yaml"
READ_EVERYTHING = {
    "assemble_headline",
    "qc_pages",
    "report_html",
    "table_settings",
    "model_card",
    "describe_model",
    "bundle_public",
}
READ_EVERYTHING |= {"figure_1_method", "figure_2_encoder"}  # schemes drawn from the configuration


def overlay(key, value):
    """``{"a": {"b": value}}`` for ``a.b``."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def values(content):
    settings = parse_config(content).section()
    return {switch.key: chosen(settings, switch) for switch in SWITCHES}


@pytest.fixture(scope="module")
def paper():
    return yaml.safe_load(CONFIG.read_text())


@pytest.mark.parametrize("mode", ["paper", "authors_code"])
def test_the_mode_sets_every_switch(paper, mode):
    assert values(merge(paper, {"method": {"mode": mode}})) == {switch.key: switch.value(mode) for switch in SWITCHES}


def test_the_paper_is_the_default(paper):
    del paper["method"]
    assert values(paper) == {switch.key: switch.paper for switch in SWITCHES}


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.key)
def test_each_switch_can_be_set_alone_on_top_of_either_mode(switch):
    content = yaml.safe_load(CONFIG.read_text())
    for value in (switch.paper, switch.authors_code, *switch.words):
        for mode in ("paper", "authors_code"):
            found = values(merge(merge(content, {"method": {"mode": mode}}), overlay(switch.key, value)))
            assert found.pop(switch.key) == value
            assert found == {other.key: other.value(mode) for other in SWITCHES if other is not switch}


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.key)
def test_the_configuration_has_the_key_with_the_papers_value_as_its_default(switch):
    section = Config
    for name in switch.path[:-1]:
        section = section.model_fields[name].annotation
    field = section.model_fields[switch.path[-1]]
    assert field.is_required() or field.default == switch.paper
    assert switch.paper in switch.words
    assert switch.authors_code in switch.words


def test_config_yaml_leaves_the_switches_to_the_mode(paper):
    for switch in SWITCHES:
        place = paper
        for name in switch.path:
            place = place.get(name, {}) if isinstance(place, dict) else {}
        assert place == {}, f"{switch.key} in config.yaml would hide method.mode"


def test_an_overlay_keeps_what_it_gives(paper):
    small = load_config(CONFIG, ROOT / "config" / "small_networks.yaml")
    assert small.preprocessing.registration.transform == "affine"
    assert small.method.posterior == "mean"


@pytest.mark.parametrize(
    ("given", "message"), [({"method": {"mode": "theirs"}}, "method.mode"), ({"autoencoder": 3}, "autoencoder")]
)
def test_a_bad_mode_or_section_is_named(paper, given, message):
    with pytest.raises(UserError, match=message):
        parse_config(merge(paper, given))


def test_method_of_gives_a_rule_only_what_it_reads(paper):
    settings = parse_config(paper).section()
    assert method_of("train_diffusion", settings) == {"posterior": "sample"}
    assert method_of("encode_latents", settings) == {"scale_factor": "training_split"}
    assert sorted(method_of("fit_probes", settings)) == ["positive_class", "probe_split"]
    assert method_of("register_mni", settings) == {}


@pytest.fixture(scope="module")
def rule_parameters(tmp_path_factory):
    """Reads the real Snakefile with an overlay of the configuration: rule -> its params."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

    def read(changed):
        with pytest.MonkeyPatch.context() as patch, SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            patch.chdir(ROOT)
            workflow = api.workflow(
                resource_settings=ResourceSettings(),
                config_settings=ConfigSettings(config=changed, configfiles=[CONFIG]),
                snakefile=ROOT / "Snakefile",
            )._workflow
            return {
                rule.name: {name: value(None) if callable(value) else value for name, value in rule.params.items()}
                for rule in workflow.rules  # folders are functions of a job, the same for all (rules/common.smk)
            }

    return read


def test_a_switch_plans_exactly_the_rules_that_read_it(rule_parameters):
    """By the params of the real Snakefile, which are what Snakemake compares with those of the last run."""
    before = rule_parameters({})
    for switch in SWITCHES:
        other = next(value for value in switch.words if value != switch.paper)
        after = rule_parameters(overlay(switch.key, other))
        changed = {rule for rule in before if before[rule] != after[rule]}
        assert changed - READ_EVERYTHING == set(switch.rules), switch.key
