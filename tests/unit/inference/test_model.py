"""A trained model in the hands of a person: the numbers of the workflow, and nothing believed that is no scan."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ldae.core.errors import QuarantinedScan, UserError
from ldae.core.files import read_json, read_tsv, write_json
from ldae.core.scans import scan_ids
from ldae.core.store import open_store
from ldae.inference.conformal import AgeError
from ldae.inference.decoder import Decoder
from ldae.inference.model import LDAE
from ldae.studies.common.inputs import read_inputs
from ldae.studies.probes.discriminant_plane import lda_projection

AWAY = np.array([[0, 0, 0, 1.0]] * 3 + [[0, 0, 0, 0]])  # of an affine, mm

NOISE = np.random.default_rng(0)


def test_import_ldae_loads_nothing_heavy():
    code = "import ldae, sys; print(sorted({'torch', 'numpy', 'pandas', 'ants', 'nibabel'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_raw_scan_gives_the_volume_and_the_code_of_the_store(results, model, scan):
    store = open_store(results / "store/volumes")
    row = scan_ids(store.index).index(scan.name)
    assert np.array_equal(scan.volume, store.volumes([row])[0])
    assert np.array_equal(model.encode(scan).y_sem, open_store(results / "store/codes/y_sem").data[row])


def test_no_code_depends_on_the_scans_beside_it(results, model):
    store, y_sem = open_store(results / "store/volumes"), open_store(results / "store/codes/y_sem")
    for row, name in enumerate(scan_ids(store.index)):
        scan = model.volume(store.volumes([row])[0], store.meta["affine"], name)
        assert np.array_equal(model.encode(scan, stochastic=False).y_sem, y_sem.data[row]), name


def test_predictions_are_those_of_the_workflow(results, model, scan):
    said = model.predict(model.encode(scan, stochastic=False))
    table = read_tsv(results / "evaluate/probes/predictions.tsv", dtype=str)
    own = table[(table["participant_id"] == "sub-20") & (table["session_id"] == "ses-M000")]
    own = own[(own["protocol"] == "test") & (own["features"] == "ldae")].set_index("task")
    assert f"{said.age:.6g}" == own.loc["age", "prediction"]
    assert f"{said.probability_ad:.6g}" == own.loc["ad", "probability"]
    assert said.age_high - said.age == pytest.approx(said.age - said.age_low)
    assert said.age_high > said.age
    assert (said.age_subjects, said.age_note) == (20, None) and 0.9 <= said.coverage <= 1


def test_too_few_held_out_subjects_give_no_interval_and_say_why(model, scan):
    few = replace(model.facts.reference, age=AgeError.of(np.arange(16.0), [str(i % 8) for i in range(16)]))
    other = LDAE(model.networks, replace(model.facts, reference=few))
    said = other.predict(model.encode(scan, stochastic=False))
    assert (said.age_low, said.age_high, said.coverage) == (None, None, None) and said.age is not None
    assert said.age_note.startswith("8 held-out subjects")


def test_the_place_in_the_plane_is_that_of_figure_5(results, model, scan):
    inputs = read_inputs(results / "store", results / "manifest/splits.tsv")
    table = lda_projection(inputs.scans, inputs.code("y_sem", inputs.scans.index))
    own = table[(table["participant_id"] == "sub-20") & (table["session_id"] == "ses-M000")].iloc[0]
    codes = model.encode(scan, stochastic=False)
    assert model.predict(codes).plane == pytest.approx((own["axis_1"], own["axis_2"]), rel=1e-5)
    assert {name: cloud.subjects for name, cloud in model.facts.reference.plane.clouds.items()} == {
        name: table[(table["split"] != "train") & (table["diagnosis"] == name)]["participant_id"].nunique()
        for name in ("CN", "MCI", "AD")
    }


def test_a_results_folder_and_what_was_exported_of_it_say_the_same(results, model, scan):
    here = LDAE.load(results)
    codes, elsewhere = here.encode(scan), model.encode(scan)
    assert np.array_equal(codes.y_sem, elsewhere.y_sem) and np.array_equal(codes.x_T, elsewhere.x_T)
    assert here.predict(codes) == model.predict(elsewhere)
    assert here.likeness(scan, codes) == model.likeness(scan, elsewhere)


def test_decoding_is_the_decoder_of_the_studies(model, scan):
    codes = model.encode(scan)
    decoded = model.decode(codes)
    expected = Decoder(model.networks, 1).generate(codes.x_T[None], codes.y_sem[None])[0, 0]
    assert np.array_equal(decoded.volume, np.clip(expected, 0, 1))
    image = decoded.to_nifti()
    assert np.array_equal(image.affine, scan.affine) and bytes(image.header["descrip"]).startswith(b"made by LDAE")
    assert not bytes(scan.to_nifti().header["descrip"]).strip(b"\0")


@pytest.mark.parametrize(("towards", "probability"), [("AD", 0.9), ("CN", 0.75), ("AD", 0.02)])
def test_an_edit_ends_at_its_probability_and_keeps_the_rest(model, scan, towards, probability):
    codes = model.encode(scan)
    edited = model.edit(codes, towards, probability)
    wanted = probability if towards == "AD" else 1 - probability
    assert model.predict(edited).probability_ad == pytest.approx(wanted, abs=1e-5)
    assert np.array_equal(edited.x_T, codes.x_T)
    probe = model.facts.probes["ad"]
    moved = (edited.y_sem.astype(float) - codes.y_sem) / probe.std
    cosine = moved @ probe.weight / np.linalg.norm(moved) / np.linalg.norm(probe.weight)
    assert abs(cosine) == pytest.approx(1, abs=1e-4)


def test_a_path_begins_and_ends_at_its_scans(model, scan):
    a = model.encode(scan)
    b = model.encode(model.volume(scan.volume * 0.9, scan.affine, "sub-b_ses-1"))
    for fraction, end in ((0, a), (1, b)):
        there = model.interpolate(a, b, fraction)
        assert np.allclose(there.y_sem, end.y_sem) and np.allclose(there.x_T, end.x_T, atol=1e-5)
    half = model.interpolate(a, b, 0.5)
    assert np.allclose(half.y_sem, (a.y_sem + b.y_sem) / 2, atol=1e-6)


def test_what_cannot_be_asked_is_one_sentence(model, scan):
    codes = model.encode(scan, stochastic=False)
    for ask in (model.decode, lambda codes: model.interpolate(codes, codes, 0.5)):
        with pytest.raises(UserError, match="stochastic=True"):
            ask(codes)
    with pytest.raises(UserError, match="AD and CN, not 'MCI'"):
        model.edit(codes, "MCI", 0.5)
    for probability in (0, 1, 2):
        with pytest.raises(UserError, match="No finite step"):
            model.edit(codes, "AD", probability)


SPOILED = {  # kind -> array and affine of a volume and its affine, and what is said of them
    "times 255": (lambda volume, affine: (volume * 255, affine), "reaches from 0 to"),
    "negative": (lambda volume, affine: (volume - 0.1, affine), "reaches from -0.1"),
    "axes changed": (lambda volume, affine: (volume.transpose(1, 0, 2), affine), "no skull-stripped brain"),
    "upside down": (lambda volume, affine: (volume[:, :, ::-1], affine), "no skull-stripped brain"),
    "elsewhere": (lambda volume, affine: (volume, affine + 40 * AWAY), "no skull-stripped brain"),
    "outside": (lambda volume, affine: (volume, affine + 999 * AWAY), "nothing of the volume"),
    "noise": (
        lambda volume, affine: (np.random.default_rng(0).random(volume.shape), affine),
        "no skull-stripped brain",
    ),
    "a head": (lambda volume, affine: (np.where(volume > 0, volume, 0.3), affine), "no skull-stripped brain"),
    "constant": (lambda volume, affine: (np.full_like(volume, 0.5), affine), "constant"),
    "not finite": (lambda volume, affine: (np.where(volume > 0.5, np.nan, volume), affine), "not finite"),
    "a batch": (lambda volume, affine: (volume[None], affine), "three axes"),
    "words": (lambda volume, affine: (np.array([["a"]]), affine), "no volume"),
    "no affine": (lambda volume, affine: (volume, np.eye(3)), "affine"),
    "flat affine": (lambda volume, affine: (volume, np.diag([1.0, 1, 0, 1])), "affine"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_an_array_that_is_no_scan_is_refused(model, scan, kind):
    spoil, said = SPOILED[kind]
    with pytest.raises(QuarantinedScan, match=said):
        model.volume(*spoil(scan.volume, scan.affine))


def test_an_array_is_turned_and_resampled_by_its_affine(model, scan):
    mirrored = scan.affine @ np.diag([-1.0, 1, 1, 1])
    mirrored[:3, 3] = (scan.affine @ [scan.volume.shape[0] - 1, 0, 0, 1])[:3]
    assert np.array_equal(model.volume(scan.volume[::-1], mirrored).volume, scan.volume)
    fine = np.repeat(np.repeat(np.repeat(scan.volume, 2, 0), 2, 1), 2, 2)
    affine = scan.affine @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = (scan.affine @ [-0.25, -0.25, -0.25, 1])[:3]
    again = model.volume(fine, affine)
    assert again.volume.shape == scan.volume.shape and np.array_equal(again.affine, scan.affine)
    assert np.corrcoef(again.volume.ravel(), scan.volume.ravel())[0, 1] > 0.98


def test_a_scan_of_another_grid_is_refused(model, scan):
    moved, codes = replace(scan, affine=scan.affine + AWAY), model.encode(scan)
    for ask in (model.encode, lambda scan: model.likeness(scan, codes)):
        with pytest.raises(UserError, match="another grid"):
            ask(moved)


def test_a_brain_unlike_all_others_is_unusual(model, scan):
    usual = model.likeness(scan, model.encode(scan, stochastic=False))
    inverted = model.volume(np.where(scan.volume > 0, scan.volume**4, 0), scan.affine, scan.name)
    unusual = model.likeness(inverted, model.encode(inverted, stochastic=False))
    assert usual.unusual is False and unusual.unusual is True and unusual.percentile >= 95
    assert unusual.look_distance > 2 * usual.look_distance and unusual.stands_out.endswith(" sd")


@pytest.fixture
def copy(results, tmp_path):
    for part in ("model", "train"):
        shutil.copytree(results / part, tmp_path / part)
    return tmp_path


def test_the_backbone_is_inside(results, copy, scan):
    """The ImageNet file that a training began with may be gone."""
    path = copy / "train/representation/model.json"
    description = read_json(path)
    description["settings"]["backbone_weights"] = str(copy / "moved.safetensors")
    write_json(path, description)
    assert np.array_equal(LDAE.load(copy).encode(scan).y_sem, LDAE.load(results).encode(scan).y_sem)


def test_what_is_no_model_or_another_one_is_refused(copy):
    path = copy / "model/config.json"
    recipe = read_json(path)
    write_json(path, recipe | {"stages": recipe["stages"] | {"representation": "0" * 16}})
    with pytest.raises(UserError, match="is not the model that"):
        LDAE.load(copy)
    write_json(path, recipe | {"format": 2})
    with pytest.raises(UserError, match="has format 2, and this version"):
        LDAE.load(copy)
    write_json(path, {name: value for name, value in recipe.items() if name != "sampling"})
    with pytest.raises(UserError, match="sampling: Field required"):
        LDAE.load(copy)
    path.unlink()
    with pytest.raises(UserError, match="describe_model"):
        LDAE.load(copy)
    with pytest.raises(UserError, match="neither a folder"):
        LDAE.load(copy / "nothing")


def test_another_template_is_refused(model, raw, tmp_path):
    recipe = model.facts.recipe.model_copy(update={"template_sha256": "0" * 64})
    other = LDAE(model.networks, replace(model.facts, recipe=recipe))
    with pytest.raises(UserError, match="registered to another"):
        other.preprocess(raw, tmp_path)


@pytest.mark.parametrize("ask", ["predict", "decode", "edit", "interpolate"])
def test_codes_that_are_none_of_the_model_s_are_one_sentence(model, scan, ask):
    codes = model.encode(scan)

    def asked(given):
        return {
            "predict": lambda: model.predict(given),
            "decode": lambda: model.decode(given),
            "edit": lambda: model.edit(given, "AD", 0.9),
            "interpolate": lambda: model.interpolate(codes, given, 0.5),
        }[ask]()

    wrong = [scan, None, codes.y_sem, replace(codes, y_sem=codes.y_sem[:1]), replace(codes, y_sem=codes.y_sem * np.nan)]
    for given in (*wrong, replace(codes, x_T=codes.x_T[:, :-1])):
        with pytest.raises(UserError, match="is no code"):
            asked(given)
    with pytest.raises(UserError, match="no number between"):
        model.interpolate(codes, codes, float("nan"))
