# %% [markdown]
# # A trained model, step by step
#
# This notebook takes the model of a finished run and does with it all that it can do: encode a scan, decode it again,
# vary it, predict from it, edit it, interpolate between two visits, say whether a scan is of the kind that it knows,
# and answer for scans of another cohort. The scans are synthetic (phantoms), so for every answer **the truth is
# known** and stands beside it.
#
# Run `make demo` first (or `make smoke`, which takes minutes), then execute the cells from top to bottom. Nothing
# that the workflow has made is changed.
#
# > The networks of the demo are tiny and were trained for minutes: what they decode is a blurred brain. (After
# > `make smoke`, a few steps, it is little more than the outline of one.) The pictures that you see before you run
# > anything are those of `make demo`. They show how things are done. How well they *can* be done is a matter of the
# > paper's networks and of real scans.
# > For research: no number here is a diagnosis, and no decoded volume is a scan.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from ldae import LDAE
from ldae.config import Phantom
from ldae.core.errors import QuarantinedScan
from ldae.core.files import read_json
from ldae.core.scans import scan_ids
from ldae.inference.apply import Request, apply_model, find_scans
from ldae.inference.model import Codes
from ldae.phantom.anatomy import load_anatomy
from ldae.phantom.cohort import visit_scan
from ldae.phantom.visit_schedule import plan_cohort
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.inputs import read_inputs
from ldae.studies.common.true_twins import Twins
from ldae.studies.interpolation.predictors import find_triplets
from ldae.studies.manipulation.counterfactual import Counterfactuals

HERE = next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "Snakefile").is_file())
RESULTS = Path(os.environ.get("RESULTS", HERE / "results/demo"))
model = LDAE.load(RESULTS)
recipe = model.facts.recipe
print("grid:", recipe.preprocessing.conform.shape, "voxels of", recipe.preprocessing.conform.spacing_mm, "mm")
print("y_sem:", model.networks.dimension, "numbers; latents:", model.networks.latent_shape)
print("probes:", ", ".join(model.facts.probes))

# %% [markdown]
# A results folder and a folder that `ldae export-model` wrote can both be loaded. The following cell opens what the
# workflow knows of the scans: the split that each subject is in, its diagnosis and age, and the phantom's truth.

# %%
inputs = read_inputs(RESULTS / "store", RESULTS / "manifest/splits.tsv", RESULTS / "raw/truth.tsv")
scans = inputs.scans.assign(name=scan_ids(inputs.scans))
test = scans[scans["split"] == "test"]
columns = ["name", "diagnosis", "age", "truth_stage", "truth_ventricle_ml_mni"]
test[columns].head().round(2)

# %% [markdown]
# ## From a raw scan to the grid of the networks
#
# One scan of the test split goes through the model's own recipe: bias field, brain extraction, registration to
# MNI152, one interpolation. What comes out is the volume that the workflow has packed.

# %%
row = int(test.index[test["diagnosis"] == "CN"][0])
manifest = pd.read_csv(RESULTS / "manifest/scans.tsv", sep="\t")
listed = manifest.assign(name=scan_ids(manifest)).set_index("name")
raw = RESULTS / "bids" / listed.loc[scans.loc[row, "name"], "t1w"]
scan = model.preprocess(raw)
packed = inputs.volumes.volumes(row)
print(raw.name, "->", scan.volume.shape, "quality control:", scan.qc["qc"])
print("largest difference to the volume of the workflow:", float(np.abs(scan.volume - packed).max()))


# %%
def show(pictures, titles, maximum=1.0, colours="gray"):
    """One row of axial slices through the ventricles; the subject's right is on the left."""
    z = round(np.linalg.solve(scan.affine, (0, -20, 18, 1))[2])
    figure, row_of_axes = plt.subplots(1, len(pictures), figsize=(1.7 * len(pictures), 2.2), dpi=80, squeeze=False)
    for axes, volume, title in zip(row_of_axes[0], pictures, titles, strict=True):
        low = -maximum if colours == "RdBu_r" else 0
        axes.imshow(volume[::-1, :, z].T, cmap=colours, vmin=low, vmax=maximum, origin="lower")
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    figure.tight_layout(pad=0.4)
    plt.show()


head = nib.as_closest_canonical(nib.load(raw)).get_fdata()
middle = head[::-1, :, head.shape[2] * 6 // 10].T
figure, (left, right) = plt.subplots(1, 2, figsize=(4, 2.4), dpi=80)
left.imshow(middle, cmap="gray", origin="lower", vmax=np.percentile(head, 99.5))
right.imshow(scan.volume[::-1, :, scan.volume.shape[2] * 6 // 10].T, cmap="gray", origin="lower")
for axes, title in ((left, "raw"), (right, "for the networks")):
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Encode and reconstruct
#
# `y_sem` is what the model calls this brain. `x_T` is everything else; it is found by running the diffusion
# backwards. Both together decode to the scan. What `x_T` alone is worth is seen when another brain's `y_sem` is put
# in its place.

# %%
codes = model.encode(scan)
other_row = int(test.index[test["diagnosis"] == "AD"][0])
other = model.encode(model.volume(inputs.volumes.volumes(other_row), scan.affine, scans.loc[other_row, "name"]))
rebuilt = model.decode(codes)
exchanged = model.decode(Codes(other.y_sem, codes.x_T, "exchanged"))
show(
    [scan.volume, rebuilt.volume, exchanged.volume, inputs.volumes.volumes(other_row)],
    ["scan", "reconstruction", "its x_T,\ny_sem of the other", "the other scan"],
)
inside = scan.volume > 0
error = float(np.sqrt(np.mean((rebuilt.volume - scan.volume)[inside] ** 2)))
print(f"root mean square error within the brain: {error:.3f} (intensities reach from 0 to 1)")

# %% [markdown]
# ## Vary
#
# One `y_sem`, several random `x_T`: brains that the model takes for the same in all that `y_sem` holds. The last
# picture shows where they differ (standard deviation over the samples).

# %%
samples = []
for seed in range(4):
    x_T = model.networks.noise([scan.name], seed).cpu().numpy()[0]
    samples.append(model.decode(Codes(codes.y_sem, x_T, f"seed {seed}")).volume)
show(samples, [f"x_T {seed}" for seed in range(4)])
show([np.std(samples, axis=0)], ["standard deviation"], maximum=0.2, colours="magma")

# %% [markdown]
# ## Probe
#
# Two linear probes of `y_sem` were fitted on the training and validation subjects: AD against CN, and age. Here they
# answer for every scan of the test split. The interval of age holds the age of a new subject with the stated
# probability; where too few subjects were held out there is none.

# %%
y_sem = inputs.code("y_sem", test.index.to_numpy())
said = [model.predict(Codes(code, None, name)) for code, name in zip(y_sem, test["name"], strict=True)]
answers = test[["name", "diagnosis", "age"]].assign(
    probability_ad=[answer.probability_ad for answer in said], age_said=[answer.age for answer in said]
)
figure, (left, right) = plt.subplots(1, 2, figsize=(6, 2.6), dpi=80)
for name, colour in (("CN", "#2f7ab8"), ("MCI", "#e3a32c"), ("AD", "#ad2a4a")):
    group = answers[answers["diagnosis"] == name]
    left.scatter([name] * len(group), group["probability_ad"], color=colour, s=12)
    right.scatter(group["age"], group["age_said"], color=colour, s=12)
left.set_ylabel("probability of AD")
left.set_ylim(-0.05, 1.05)
ages = [answers["age"].min(), answers["age"].max()]
right.plot(ages, ages, color="grey", linewidth=0.8)
right.set_xlabel("age (years)")
right.set_ylabel("age by the probe")
figure.tight_layout()
plt.show()
one = said[0]
interval = f"none ({one.age_note})" if one.age_low is None else f"{one.age_low:.1f} to {one.age_high:.1f} years"
print(f"interval of the age of {one.age:.1f} years: {interval}")
answers.head().round(2)

# %% [markdown]
# ## Edit, with the true counterfactual beside
#
# The scan of the control is moved along the probe until that gives a stated probability of AD; `x_T` stays. A phantom
# can be made again at another stage of the disease: the same head, only sicker or healthier. How many stages a step
# of the probe stands for is measured on the training subjects. The row below is therefore what the row above should
# be.

# %%
made = read_json(RESULTS / "raw/phantom.json")
settings, anatomy_file = Phantom.model_validate(made["settings"]), RESULTS / "raw/anatomy.npz"
probe = model.facts.probes["ad"]
truth = Counterfactuals(probe, Twins(inputs, settings, made["seed"], anatomy_file))
probabilities, edited, true, table = (0.1, 0.5, 0.9), [], [], []
own = float(probe.score(codes.y_sem[None])[0])
before = ventricle_ml(rebuilt.volume, inputs.grid)
true_before = truth.picture(row, 0.0)[1]
for probability in probabilities:
    logits = float(np.log(probability / (1 - probability))) - own
    edited.append(model.decode(model.edit(codes, "AD", probability)).volume)
    picture, millilitres = truth.picture(row, logits)
    true.append(picture)
    table.append((probability, ventricle_ml(edited[-1], inputs.grid) - before, millilitres - true_before))
titles = [f"P(AD) = {probability:g}" for probability in probabilities]
show([rebuilt.volume, *edited], ["reconstruction", *titles])
show([truth.picture(row, 0.0)[0], *true], ["true head", *titles])
show([volume - rebuilt.volume for volume in edited], titles, maximum=0.3, colours="RdBu_r")
pd.DataFrame(table, columns=["P(AD)", "ventricles, change (ml)", "true change (ml)"]).round(2)

# %% [markdown]
# ## Interpolate, with the target beside
#
# Of a subject with three visits the first and the last are encoded. `y_sem` goes along the straight line between them
# and `x_T` along the sphere, to the time of the visit in the middle, which the model is not shown.

# %%
triplet = find_triplets(scans, 1)[0]
rows = (triplet.start, triplet.target, triplet.end)
first, target, last = (model.volume(inputs.volumes.volumes(at), scan.affine, scans.loc[at, "name"]) for at in rows)
between = model.decode(model.interpolate(model.encode(first), model.encode(last), triplet.alpha))
show(
    [first.volume, between.volume, target.volume, last.volume],
    [
        f"first\n{first.name[-8:]}",
        f"interpolated\nto {triplet.alpha:.2f}",
        f"target\n{target.name[-8:]}",
        f"last\n{last.name[-8:]}",
    ],
)
measured = [ventricle_ml(volume.volume, inputs.grid) for volume in (first, between, target, last)]
pd.DataFrame([measured], columns=["first", "interpolated", "target", "last"], index=["ventricles (ml)"]).round(1)

# %% [markdown]
# ## Is this scan of the kind that the model knows?
#
# `likeness` compares a scan with those of held-out subjects: its code, what the autoencoder does not give back of it,
# and how its intensities look. What cannot be a brain in its place is refused before that. (Where few scans were held
# out, as after `make smoke`, nothing can be called unusual: the verdict is *unknown*.)

# %%
generator = np.random.default_rng(0)
volume = scan.volume
trials = {
    "the scan itself": volume,
    "values times 255": volume * 255,
    "upside down": volume[:, :, ::-1],
    "strong noise": np.clip(volume + inside * generator.normal(0, 0.15, volume.shape), 0, 1),
    "blurred to 12 mm": np.clip(ndimage.gaussian_filter(volume, 12 / 2.355 / inputs.grid.spacing_mm), 0, 1) * inside,
    "contrast inverted": np.where(inside, 1 - volume, 0),
}
judged = []
for kind, tried in trials.items():
    try:
        given = model.volume(tried, scan.affine, scan.name)
    except QuarantinedScan as error:
        judged.append((kind, f"refused: {error}"[:90], None, None, None))
        continue
    quick = model.encode(given, stochastic=False)
    likeness, answer = model.likeness(given, quick), model.predict(quick)
    status = {None: "unknown", True: "unusual", False: "usual"}[likeness.unusual]
    judged.append((kind, status, likeness.code_distance, likeness.percentile, answer.probability_ad))
pd.DataFrame(judged, columns=["scan", "verdict", "distance of code", "percentile", "P(AD)"]).round(2)

# %% [markdown]
# ## Scans of another cohort
#
# Four heads of a second phantom: other subjects, another scanner (the anatomy is drawn with another seed, at other
# voxels), one visit each. They lie in a folder as a BIDS dataset would; `ldae apply` takes the same folder on the
# command line. None of these subjects was there when the model was trained, so all four are test subjects.

# %%
anatomy, elsewhere = load_anatomy(anatomy_file), Path(tempfile.mkdtemp())
plans = plan_cohort(Phantom(subjects={"CN": 2, "AD": 2}, visits=1), seed=7)
known = {}
for number, plan in enumerate(plans, start=1):
    made_there = visit_scan(anatomy, plan, plan.visits[0], 7, 2.5, torque_mm=settings.torque_mm)
    path = elsewhere / f"bids/sub-{number:02d}/anat/sub-{number:02d}_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(made_there.image, made_there.affine), path)
    known[f"sub-{number:02d}"] = (plan.subject.diagnosis, float(made_there.truth["age"]))
(elsewhere / "bids/dataset_description.json").write_text('{"Name": "elsewhere", "BIDSVersion": "1.10.0"}')
found = find_scans([elsewhere / "bids"])
external = apply_model(model, found, elsewhere / "answers", Request(codes_only=True))
external = external.assign(
    diagnosis=[known[name][0] for name in external["participant_id"]],
    true_age=[known[name][1] for name in external["participant_id"]],
)
external[["participant_id", "diagnosis", "status", "probability_ad", "true_age", "age", "percentile"]].round(2)

# %% [markdown]
# ## Where to go from here
#
# - [docs/python.md](python.md) says what every call takes, gives and refuses; [docs/apply.md](apply.md) is the same
#   on the command line, with counterfactuals and a page for every scan.
# - `ldae export-model` makes a folder of the model that can be passed on, and `ldae import-weights` makes one of
#   weights that were published.
# - [docs/method.md](method.md) says what the studies of the workflow measure; the report of a run has their numbers
#   with intervals, which four scans in a notebook cannot have.
