import math
import re
from pathlib import Path

import pytest
import yaml

from ldae import cli
from ldae.config import BidsColumns, Manifest, load_config, merge, parse_config
from ldae.core.errors import UserError

CONFIG = Path(__file__).parents[3] / "config"
PAPER = CONFIG / "config.yaml"


def test_paper_has_the_papers_shapes():
    settings = load_config(PAPER)
    assert settings.preprocessing.conform.shape == (128, 160, 128)
    assert settings.latent_shape == (3, 16, 20, 16)


SMALL = (PAPER, CONFIG / "small_networks.yaml")


@pytest.mark.parametrize("overlays", [["demo.yaml"], ["demo.yaml", "smoke.yaml"], ["demo.yaml", "acceptance.yaml"]])
def test_overlays_are_valid_and_keep_their_own_results(overlays):
    settings = load_config(*SMALL, *(CONFIG / name for name in overlays))
    assert settings.results_dir == Path("results") / Path(overlays[-1]).stem
    assert settings.raw.images.is_relative_to(settings.results_dir)


@pytest.mark.parametrize("source", ["bids", "csv"])
def test_examples_of_other_sources_take_the_small_networks_without_the_phantom(source):
    settings = load_config(*SMALL, CONFIG / f"{source}_example.yaml")
    assert settings.source == source and settings.phantom is None
    assert settings.autoencoder == load_config(*SMALL, CONFIG / "demo.yaml").autoencoder
    assert settings.results_dir == Path(f"results/{source}_example")


def test_the_bids_example_shows_the_defaults():
    settings = load_config(*SMALL, CONFIG / "bids_example.yaml")
    assert settings.manifest == Manifest()
    for name, names in settings.bids.columns:
        default = getattr(BidsColumns(), name)
        assert {item.casefold() for item in names} <= {item.casefold() for item in default}, name


def test_study_has_subjects_enough_and_lies_over_the_demo():
    demo, study = (load_config(*SMALL, CONFIG / "demo.yaml", *more) for more in ((), (CONFIG / "study.yaml",)))
    assert sum(study.phantom.subjects.values()) >= 300
    assert study.source == "bids" and study.bids.path.is_relative_to(study.results_dir)
    assert study.preprocessing.conform == demo.preprocessing.conform


def test_acceptance_is_the_demo_on_another_cohort():
    demo, other = (
        load_config(*SMALL, CONFIG / "demo.yaml", *more).section() for more in ((), (CONFIG / "acceptance.yaml",))
    )
    assert demo.pop("seed") != other.pop("seed")
    assert {name for name in demo if demo[name] != other[name]} == {"results_dir", "raw"}


def test_demo_has_enough_subjects_for_its_intervals():
    assert sum(load_config(*SMALL, CONFIG / "demo.yaml").phantom.subjects.values()) >= 90


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{autoencoder: {chanels: [1]}}", "autoencoder.chanels: unknown key"),
        ("{resulsts_dir: x}", "resulsts_dir: unknown key"),
        ("{splits: {test_fraction: 1.5}}", "splits.test_fraction"),
        ("{diffusion: {training: {micro_batch: 48}}}", "batch 128 is not a multiple of micro_batch 48"),
        ("{autoencoder: {norm_groups: 48}}", "autoencoder: channels 64 is not a multiple of norm_groups 48"),
        ("{diffusion: {channels: 100}}", "diffusion: channels 100 is not a multiple of norm_groups 32"),
        ("{dae: {norm_groups: 5}}", "dae: channels 64 is not a multiple of norm_groups 5"),
        ("{dae: {beta_start: 0.5}}", "dae: beta_end 0.02 is below beta_start 0.5"),
        ("{diffusion: {beta_end: 1.5}}", "diffusion.beta_end"),
        ("{representation: {heads: 7}}", "representation: dimension 768 is not a multiple of heads 7"),
        ("{source: bids}", "source bids needs the section bids"),
        ("{source: csv, csv: {path: x.csv}, phantom: {subjects: {AD: 1}}}", "set phantom: null"),
        ("{source: bids, bids: {path: x, session_pattern: 'M[0-9]'}}", "0 groups, one is needed"),
        ("{source: bids, bids: {path: x, values: {diagnosis: {dement: Dementia}}}}", "bids.values.diagnosis.dement"),
        ("{raw: null}", "source adni needs the section raw"),
        (
            "{results_dir: data, raw: {images: data/raw/ADNI}}",
            "raw.images data/raw/ADNI lies where the workflow writes",
        ),
        (
            "{results_dir: data/x, source: bids, bids: {path: data/x}}",
            "bids.path data/x lies where the workflow writes",
        ),
        ("{preprocessing: {conform: {shape: [100, 160, 128]}}}", "not a multiple"),
    ],
)
def test_bad_configuration_names_the_key(tmp_path, text, message):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    with pytest.raises(UserError, match="The configuration is not valid") as caught:
        load_config(PAPER, overlay)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{source: bids, bids: {path: mine}}", "bids.path is mine, but a phantom is written to results/demo/raw/bids"),
        ("{raw: {images: data/ADNI}}", "raw.images is data/ADNI, but a phantom is written to results/demo/raw/ADNI"),
        ("{raw: {tables: data/clinical}}", "raw.tables is data/clinical, but a phantom is written to"),
    ],
)
def test_a_phantom_and_data_of_the_users_do_not_go_together(tmp_path, text, message):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(*SMALL, CONFIG / "demo.yaml", overlay)
    assert message in str(caught.value) and "phantom: null" in str(caught.value)


@pytest.mark.parametrize("source", ["adni", "bids"])
def test_a_phantom_lies_in_any_results_folder(tmp_path, source):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"{{results_dir: {tmp_path / 'mine'}, source: {source}}}")
    paths = load_config(*SMALL, CONFIG / "demo.yaml", overlay).given_paths()
    assert paths and all(path.is_relative_to(tmp_path / "mine/raw") for path in paths.values())


def test_the_demos_cohort_without_its_networks_is_refused():
    with pytest.raises(UserError, match=r"demo\.yaml goes over config/small_networks\.yaml"):
        load_config(PAPER, CONFIG / "demo.yaml")


def test_yaml_tags_are_refused_and_never_run(tmp_path):
    bomb = tmp_path / "bomb.yaml"
    bomb.write_text(f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{tmp_path}/hit']]")
    with pytest.raises(UserError, match="not plain YAML"):
        load_config(PAPER, bomb)
    assert not (tmp_path / "hit").exists()
    bomb.write_text("seed: !!timestamp tomorrow")
    with pytest.raises(UserError, match=r"not plain YAML: a tag \(!!\) does not fit its text"):
        load_config(PAPER, bomb)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml does not exist"):
        load_config(tmp_path / "nowhere.yaml")


def numbers(content, keys=()):
    """Every key of a configuration whose value is a number that is not whole, or a list of such."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from numbers(value, (*keys, key))
        elif isinstance(value, float) or (isinstance(value, list) and value and isinstance(value[0], float)):
            yield (*keys, key), value


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_no_number_is_without_end(odd):
    plain = yaml.safe_load(PAPER.read_text())
    found = list(numbers(load_config(PAPER).section()))
    assert len(found) > 40
    for keys, value in found:
        overlay = [odd] * len(value) if isinstance(value, list) else odd
        for key in reversed(keys):
            overlay = {key: overlay}
        with pytest.raises(UserError, match=re.escape(".".join(keys))):
            parse_config(merge(plain, overlay))


def test_merge_goes_into_sections_and_replaces_lists():
    assert merge({"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [3]}}) == {"a": {"b": 1, "c": [3]}}


def test_true_among_numbers_is_no_number(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("{preprocessing: {bias_field: {iterations: [true, 50]}}}")
    with pytest.raises(UserError, match="iterations is true: give a number"):
        load_config(PAPER, overlay)


def test_batch_normalised_codes_need_a_batch(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("{representation: {code_norm: batch}, supervised_age: {training: {micro_batch: 1}}}")
    with pytest.raises(UserError, match=r"supervised_age.training: .*code_norm batch needs a micro_batch"):
        load_config(PAPER, overlay)
    overlay.write_text("{representation: {code_norm: batch, training: {micro_batch: 1}}}")
    with pytest.raises(UserError, match="micro_batch of at least 2"):
        load_config(PAPER, overlay)


def test_paper_has_none_of_the_demos_shortcuts():
    settings = load_config(PAPER)
    assert (settings.autoencoder.patch, settings.autoencoder.zero_init) == (1, False)
    assert (settings.diffusion.prior, settings.representation.code_norm) == ("none", "layer")


def test_a_file_that_lies_over_another_is_told_so(tmp_path, capsys):
    mine = tmp_path / "mine.yaml"
    mine.write_text("source: bids\nbids: {path: x}\n")
    for command, status in (("inventory", 1), ("plan", 1), ("doctor", 1), ("preflight --bids x", 2)):
        assert cli.main([*command.split(), "--config", str(mine)]) == status
        said = capsys.readouterr().err
        assert (
            f"{mine} alone is no whole configuration, it lacks results_dir, convert, preprocessing and 6 more" in said
        )
        assert f"--config config/config.yaml {mine}." in said
    mine.write_text("source: bids\nbids: {path: x, wrong: 1}\n")
    with pytest.raises(UserError, match=r"bids\.wrong: unknown key"):
        load_config(PAPER, mine)
