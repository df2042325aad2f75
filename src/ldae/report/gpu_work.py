"""How much a run asks of GPUs and disks, rule by rule, counted before anything runs.

Work is network calls x counted operations. What share of its peak a GPU delivers is assumed, and so is how the scans
of a cohort that is not there yet are dealt to subjects and splits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ldae.config import Config
from ldae.core.files import read_tsv
from ldae.core.model_places import parts
from ldae.diffusion.samplers import SAMPLERS
from ldae.diffusion.schedule import Schedule
from ldae.networks.operations import Teraflops, teraflops
from ldae.studies.counterfactual.names import CONTROLS, EDITS
from ldae.studies.reconstruction.solvers import solvers
from ldae.studies.samples.variation import SCANS as SHOWN_VARIATIONS
from ldae.training.checkpoint_space import KEPT, checkpoints_at_once
from ldae.training.memory import STAGES, checkpoint_bytes

VISITS = 4.9  # scans per subject of the paper's cohort: 10,340 scans, about 2,100 subjects
HALF_PEAK, FULL_PEAK = 312.0, 156.0  # TFLOP/s of an A100, dense: bf16, and float32 as TF32
FLOAT, BYTE = 4, 1
# Rules that a frozen model's run does not have:
NOT_FROZEN = (
    "encode_baselines",
    "eval_counterfactual",
    "eval_reliability",
    "eval_forecasting",
    "eval_variation",
    "eval_samples",
)
SHARED = ("eval_reconstruction", "eval_solvers", "eval_interpolation")  # work for every GPU of their jobs, as trainings


@dataclass(frozen=True)
class Cohort:
    """How many scans and subjects there are, and of them in the test split; triplets of its visits."""

    scans: int
    subjects: int
    test_scans: int
    test_subjects: int
    triplets: int

    @classmethod
    def assumed(cls, config: Config, scans: int, subjects: int | None = None) -> "Cohort":
        """Every subject has equally many visits; the test split has its fraction of both."""
        subjects = max(1, round(scans / VISITS)) if subjects is None else subjects
        fraction, visits = 1.0 if config.model else config.splits.test_fraction, scans / subjects
        test = max(1, round(fraction * subjects))
        triplets = max(0, round(test * visits * (visits - 1) * (visits - 2) / 6))
        return cls(scans, subjects, round(fraction * scans), test, triplets)

    @classmethod
    def found(cls, results: Path) -> "Cohort | None":
        """That of a results folder, once its scans are split."""
        manifest, splits = results / "manifest" / "scans.tsv", results / "manifest" / "splits.tsv"
        if not (manifest.is_file() and splits.is_file()):
            return None
        scans = read_tsv(manifest)
        visits = scans[scans["status"] == "included"].groupby("participant_id").size()
        split = read_tsv(splits).set_index("participant_id")["split"]
        test = visits[visits.index.map(split) == "test"]
        triplets = int((test * (test - 1) * (test - 2) // 6).sum())
        return cls(int(visits.sum()), len(visits), int(test.sum()), len(test), triplets)


@dataclass(frozen=True)
class Work:
    """PFLOP of a rule, and the peak of an A100 in its precision (TFLOP/s)."""

    rule: str
    petaflops: float
    peak: float

    def hours(self, share: float) -> float:
        """Of one A100 that delivers this share of its peak."""
        return self.petaflops * 1e3 / (self.peak * share) / 3600

    def clock(self, share: float, gpus: int) -> float:
        """Hours of the job, where one that can use them has so many GPUs."""
        several = self.rule.startswith("train_") or self.rule in SHARED
        return self.hours(share) / (gpus if several else 1)


def work(config: Config, cohort: Cohort) -> list[Work]:
    """Of every rule with a network, in the order of the chain. Validations of the trainings are left out."""
    paper, ours = teraflops(config, plain=True), teraflops(config)
    rows: list[Work] = []
    for rule, cost in paper.trainings().items():
        if rule.removeprefix("train_") not in config.trained:
            continue
        training = getattr(config, rule.removeprefix("train_")).training
        peak = HALF_PEAK if training.precision == "bf16" else FULL_PEAK
        rows.append(Work(rule, cost * training.steps * training.batch / 1e3, peak))
    peak = HALF_PEAK if config.evaluation.precision == "bf16" else FULL_PEAK
    after = inference(config, cohort, ours)
    left_out = NOT_FROZEN if config.model is not None else () if config.baselines else ("encode_baselines",)
    left_out = left_out if config.phantom else (*left_out, "eval_reliability")
    after = {rule: cost for rule, cost in after.items() if rule not in left_out}
    return rows + [Work(rule, cost / 1e3, peak) for rule, cost in after.items()]


def inference(config: Config, cohort: Cohort, one: Teraflops) -> dict[str, float]:
    """Rule -> TFLOP of encoding and evaluation; ``one``: of one call."""
    settings, schedule = config.evaluation, Schedule.of(config.diffusion)

    def calls(sampling) -> int:
        return len(SAMPLERS[sampling.solver].grid(sampling.steps, schedule)) - 1

    main = calls(settings.sampling)
    every = sum(calls(sampling) for sampling in solvers(settings))
    scans = min(cohort.test_scans, cohort.test_subjects * settings.scans_per_subject)
    few, people = min(settings.dae_scans, scans) if "dae" in config.trained else 0, cohort.test_subjects
    generated = main * one.guided + one.decode
    autoencoded = one.encode + one.decode
    sweep = len({*settings.probabilities, *settings.dose_probabilities})
    ends = min(2, len(settings.probabilities))
    further = [name for name in settings.directions if name != "probe"]
    moves = 1 + sweep * ("probe" in settings.directions) + ends * len(further) + len(settings.alphas)
    compared = settings.samples + 2 * people
    edited = min(config.counterfactual.subjects, people)
    walk = calls(config.counterfactual.sampling or settings.sampling)
    made, back = 1 + len(EDITS) + len(CONTROLS), 1 + len(EDITS)  # decoded from a scan's x_T; taken back
    travel = config.reliability
    trips = min(travel.heads, people) * travel.scanners * travel.repeats
    timed = settings.efficiency_repeats * (1 + min(settings.batch, people) * (people > 1))
    triplets = min(settings.max_triplets, cohort.triplets)
    behind = [min(config.forecasting.visits, max(0, cohort.test_scans - known * people)) for known in (1, 2)]
    trained_on = 0 if config.model else cohort.scans - cohort.test_scans
    lines = min(settings.calibration_scans, trained_on) * one.decode  # how ventricles are measured in decoded volumes
    return {
        "encode_latents": cohort.scans * one.encode,
        "encode_baselines": cohort.scans * (one.dae_read + 2 * one.read),
        "encode_codes": 2 * cohort.scans * one.read + cohort.test_scans * main * (one.guided + one.noise),
        "encode_solver_codes": cohort.test_scans * (every - main) * (one.guided + one.noise),
        "eval_reconstruction": scans * (3 * generated + main * one.noise + one.decode + autoencoded)
        + few * 3 * main * one.dae
        + lines,
        "eval_solvers": scans * (every * (2 * one.guided + one.noise) + 3 * len(solvers(settings)) * one.decode)
        + few * 3 * every * one.dae,
        "eval_interpolation": triplets * (4 * generated + one.decode + 2 * one.encode + autoencoded) + lines,
        "eval_manipulation": people * (moves * (generated + one.read) + autoencoded) + lines,
        "eval_counterfactual": edited
        * (
            walk * (made + 1 + 2 * back + 3) * one.guided  # 3 of the untrained model
            + (made + back + 3) * one.decode
            + (back + 2) * one.encode
            + (2 * made + 2 + back) * one.read
        )
        + lines,
        "eval_reliability": trips * (2 * one.read + one.encode),
        "eval_forecasting": behind[0] * (5 * generated + 3 * one.decode + 2 * one.read)
        + behind[1] * (7 * generated + 4 * one.decode + 4 * one.read)
        + lines,
        "eval_variation": min(SHOWN_VARIATIONS, people) * settings.variations * generated + lines,
        "eval_samples": settings.samples * (main * one.noise + one.decode)
        + 2 * people * one.decode
        + compared * (one.encode + one.read),
        "eval_efficiency": timed
        * (
            3 * one.read
            + 3 * one.encode
            + 4 * one.decode
            + main * (2 * one.noise + 3 * one.guided)
            + 2 * one.dae_read
            + 3 * main * one.dae
        ),
    }


def disk(config: Config, cohort: Cohort) -> Iterator[tuple[str, float]]:
    """(What, GB) of a finished run's stores and models, of the checkpoints while it runs, and of all that a new run
    needs at most.

    What is before the volume store (raw images, BIDS, derivatives) is not in it.
    """
    voxels, small, latent = 1, 1, 1
    for size in config.preprocessing.conform.shape:
        voxels *= size
    for size in config.dae.shape:
        small *= size
    for size in config.latent_shape:
        latent *= size
    stored = len({(one.solver, one.steps) for one in (config.evaluation.sampling, *config.evaluation.solvers)})
    codes = 2 * config.representation.dimension + config.dae.dimension + 2 * config.representation.dimension
    stores = {"store/volumes": cohort.scans * voxels * BYTE}
    if "dae" in config.trained:
        stores["store/volumes_dae"] = cohort.scans * small * BYTE
    stores |= {
        "store/latents": cohort.scans * 2 * latent * FLOAT,
        "store/codes: y": cohort.scans * codes * FLOAT,
        "store/codes: x_T": cohort.test_scans * 2 * stored * latent * FLOAT,
    }
    if config.model is not None:
        stores["models"] = sum(path.stat().st_size for path in parts(config.model))
        yield from ((name, size / 1e9) for name, size in stores.items())
        return
    stages = {make.__name__: make(config) for make in STAGES if make.__name__ in config.trained}
    stores["models"] = sum(FLOAT * stage.averaged for stage in stages.values())
    yield from ((name, size / 1e9) for name, size in stores.items())
    one, kept = {name: checkpoint_bytes(stage) for name, stage in stages.items()}, config.launch.keep_last_state
    if kept:
        yield "last states, for more steps one day", sum(one.values()) / 1e9
    for name, checkpoint in one.items():
        yield f"checkpoints of {name} while it trains", KEPT * checkpoint / 1e9
    at_once = checkpoints_at_once(one, kept)
    yield "checkpoints of all trainings at once, at most", at_once / 1e9
    yield "free disk that a new run needs, at most", (sum(stores.values()) + at_once) / 1e9
