"""The model card says what a reader must know, from the run's own numbers."""

from ldae.report.model_card import estimate_words, model_card
from ldae.studies.registry import STUDIES, headline

KEYS = [number.key for number in headline(STUDIES) if number.in_card]


def test_the_card_has_the_runs_numbers_and_its_limits(tmp_path, config):
    numbers = {key: {"value": None, "reason": "no such study"} for key in KEYS}
    numbers["auc_ad_cv"] = {"value": 0.783, "low": 0.667, "high": 0.882, "n_subjects": 28, "note": "too few"}
    description = {"parameters": {"unet": 1_993_892}, "scans": 6, "step": 10, "digest": "abc"}
    out = tmp_path / "MODEL_CARD.md"
    dae = {"parameters": {"dae": 129_839_553}, "scans": 6, "step": 4, "digest": "def"}
    unlabelled = {"parameters": {}, "scans": 0, "step": 0, "digest": "0"}
    models = {"diffusion": description}, {"dae": dae, "supervised_ad": unlabelled}
    model_card(out, config, numbers, *models, starts=["CONTAMINATED: the model of dae"])
    text = out.read_text()
    assert "- CONTAMINATED: the model of dae\n" in text
    assert "0.783 [0.667, 0.882], 28 subjects (too few)" in text
    assert "n/a (no such study)" in text
    assert "| diffusion | 1,993,892 (unet) | 6 | 10 | abc |" in text
    assert "| dae | volumes, without labels | 129,839,553 | 6 | 4 | def |" in text
    assert "| supervised_ad | AD against CN | untrained | 0 | 0 | 0 |" in text
    assert "not a medical device" in text and "Synthetic heads" in text
    assert "random weights" in text


def test_the_card_of_another_cohort_does_not_speak_of_adni(tmp_path, config):
    numbers = {key: {"value": None, "reason": "no such study"} for key in KEYS}
    other = config.model_copy(update={"source": "bids", "phantom": None})
    model_card(tmp_path / "MODEL_CARD.md", other, numbers, {}, {})
    text = (tmp_path / "MODEL_CARD.md").read_text()
    assert "`source: bids`" in text and "Scans of the Alzheimer" not in text and "Trained beside it" not in text


def test_an_estimate_without_interval_has_none():
    assert estimate_words({"value": 1.0, "n_subjects": 1}) == "1.000, 1 subjects"
