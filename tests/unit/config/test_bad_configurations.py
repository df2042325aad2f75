"""Every bad configuration is one sentence: the key, its value, file and line, and the name that may have been meant.

The sentences are whole, so that whoever changes one reads it. `ldae` and the Snakefile read through the same function.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from ldae.config import layered, load_config, parse_config, placed
from ldae.core.errors import UserError
from ldae.training.planning import unmet

CONFIG = Path(__file__).parents[3] / "config"
PAPER = CONFIG / "config.yaml"
LISTED = yaml.safe_load((Path(__file__).parent / "bad_configurations.yaml").read_text(encoding="utf-8"))
CASES = [(case["file"], case["says"]) for case in LISTED]


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """What is said of a file of this content over the paper's."""
    monkeypatch.chdir(tmp_path)

    def read(content: str, *beneath: Path) -> str:
        Path("mine.yaml").write_text(content, encoding="utf-8")
        with pytest.raises(UserError) as caught:
            load_config(PAPER, *beneath, "mine.yaml")
        return str(caught.value)

    return read


@pytest.mark.parametrize(
    ("content", "sentence"), CASES, ids=[content.strip().replace("\n", "/") for content, _ in CASES]
)
def test_a_bad_file_is_one_sentence(refused, content, sentence):
    said = refused(content)
    assert said.removeprefix("The configuration is not valid: ") == sentence
    assert "\n" not in said and "pydantic" not in said


@pytest.mark.parametrize("resample", ["in_plane", "isotropic"])
def test_levels_that_the_grid_cannot_halve_are_refused_however_it_is_halved(refused, resample):
    said = refused(f"diffusion: {{resample: {resample}, multipliers: [1, 2, 3, 4, 5, 6]}}\n")
    assert "preprocessing.conform.shape (128, 160, 128) is not a multiple of 256 (autoencoder x UNet)" in said


def test_there_are_thirty_of_them_and_all_name_file_and_line():
    assert len(CASES) >= 30
    for content, sentence in CASES:
        assert "mine.yaml" in sentence, content
        assert "line " in sentence or "holds no keys" in sentence, content


def test_snakemake_gives_the_same_sentence(tmp_path, monkeypatch):
    """It hands over what it has laid over one another itself, and the names of the files."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("splits:\n  test_fractoin: 0.2\n")
    files = [PAPER, "mine.yaml"]
    with pytest.raises(UserError) as ours:
        load_config(*files)
    with pytest.raises(UserError) as theirs:
        parse_config(json.loads(json.dumps(layered(*files))), files=files)
    assert str(ours.value) == str(theirs.value)
    assert "splits.test_fractoin: unknown key (mine.yaml, line 2); did you mean splits.test_fraction?" in str(
        ours.value
    )


def test_the_file_that_has_the_last_word_is_named(refused, tmp_path):
    (tmp_path / "lab.yaml").write_text("seed: one\n")
    assert "not two (mine.yaml, line 2)" in refused("\nseed: two", tmp_path / "lab.yaml")
    assert "not one (lab.yaml, line 1)" in refused("source: adni", tmp_path / "lab.yaml")


def test_what_no_file_says_has_no_line():
    """As with `snakemake --config`."""
    with pytest.raises(UserError) as caught:
        parse_config(layered(PAPER) | {"seed": "x"}, files=[])
    assert str(caught.value) == "The configuration is not valid: seed: must be a valid integer, not x."


def test_several_faults_are_told_at_once(refused):
    said = refused("seed: x\nsplits: {test_fraction: 2}\nraww: {}")
    assert [f"line {number})" in said for number in (1, 2, 3)] == [True] * 3


def test_a_file_that_is_not_there_names_its_neighbour():
    with pytest.raises(UserError) as caught:
        load_config(PAPER, CONFIG / "small_netwroks.yaml")
    assert str(caught.value).endswith(f"does not exist; did you mean {CONFIG / 'small_networks.yaml'}?")
    with pytest.raises(UserError, match=r"train_diffusion does not exist\.$"):
        load_config(PAPER, "train_diffusion")


def test_what_only_the_disk_knows_is_told_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "results_dir: r\nautoencoder:\n  pretrained: no.safetensors\n  perceptual_weights: w\n"
        f"  perceptual_sha256: {'a' * 64}\nrepresentation: {{backbone: convnext_smal}}\n"
    )
    save_file({"a": np.zeros(1)}, "w")
    files = [PAPER, "mine.yaml"]
    said = [placed(sentence, files) for sentence in unmet(load_config(*files), {})]
    assert said[0] == (
        "autoencoder.pretrained: The weights no.safetensors do not exist; give the path of a safetensors file "
        "(mine.yaml, line 3)."
    )
    assert said[1].startswith("autoencoder.perceptual_weights: The weights w have sha256 ")
    assert said[1].endswith("correct the digest (mine.yaml, line 4).")
    assert said[2].endswith(
        "no model convnext_smal (mine.yaml, line 6); did you mean convnext_small or convnextv2_small or convit_small?"
    )


def test_json_is_read(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps({"splits": {"test_fraction": 0.2}}))
    assert load_config(PAPER, tmp_path / "b.json").splits.test_fraction == 0.2


def test_a_merged_mapping_is_not_a_key_twice(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "dae: {training: &long {steps: 10, validate_every: 5}}\nsupervised_ad: {training: {<<: *long, steps: 20}}\n"
    )
    assert load_config(PAPER, tmp_path / "m.yaml").supervised_ad.training.steps == 20


def test_aliases_of_aliases_take_no_time(tmp_path):
    """Each line names the one before it ten times: 10^30 values, were they written out."""
    lines = ["a0: &a0 x", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 31))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    assert len(layered(tmp_path / "bomb.yaml")) == 31


def test_every_file_that_is_shipped_is_plain_yaml():
    for path in sorted(CONFIG.glob("*.yaml")):
        assert yaml.safe_load(path.read_text(encoding="utf-8")) == layered(path)
