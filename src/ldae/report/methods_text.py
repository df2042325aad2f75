"""The methods section of a paper about a run, made from its configuration and versions, with what is to be cited.

Only what the run did is said: a step that its configuration leaves out has no sentence. Sentences name references as
``[key]``; the page sets them as authors and year, METHODS.md as Pandoc reads them (``[@key]``), and references.bib
holds those that are named.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from markupsafe import Markup, escape

from ldae import __version__
from ldae.config import Config, Training, model_digest
from ldae.core.files import digest, write_text
from ldae.studies.common.study import ReportSources

REFERENCES = Path(__file__).with_name("references.yaml")
NAMED = re.compile(r" ?\[((?:\w+; )*\w+)\]")
SOFTWARE = f"""@software{{ldae_adni,
  author = {{{{The LDAE-ADNI developers}}}},
  title = {{{{LDAE-ADNI: from a raw ADNI download to the tables and figures of Latent Diffusion Autoencoders}}}},
  version = {{{__version__}}},
  license = {{Apache-2.0}}
}}
"""
EXTRACTORS = {
    "deepbet": "deepbet{} [deepbet]",
    "template": "the warped mask of a template",
    "antspynet": "ANTsPyNet [antspynet]",
    "hd-bet": "HD-BET [hdbet]",
    "synthstrip": "SynthStrip [synthstrip]",
}
TRANSFORMS = {
    "syn": "a symmetric diffeomorphic transform (SyN)",
    "affine": "an affine transform",
    "rigid": "a rigid one",
}
TO_CITE = "ldae"  # whatever a run did, the method is the paper's


@dataclass(frozen=True)
class Reference:
    """What is cited.

    Attributes:
        key: BibTeX's.
        kind: BibTeX's type of entry.
        authors: family name, then initials; ``et al.`` may be the last.
        where: journal or conference, with volume and pages.
        number: DOI, or ``arXiv:...``.
    """

    key: str
    kind: str
    authors: list[str]
    title: str
    where: str
    year: int
    number: str

    @property
    def short(self) -> str:
        """``Wang et al. 2004``."""
        families = [re.sub(r"( [\w-]+\.)+$", "", name) for name in self.authors]
        first = families[0] if len(families) == 1 else f"{families[0]} et al."
        return f"{' and '.join(families) if len(families) == 2 else first} {self.year}"

    @property
    def line(self) -> str:
        """As it stands in a list of references."""
        number = self.number if self.number.startswith("arXiv") else f"doi:{self.number}"
        where = "" if self.where == "arXiv" else f"{self.where}, "
        return f"{', '.join(self.authors)}: {self.title.replace(' -- ', ' – ')}. {where}{self.year}. {number}"

    @property
    def bibtex(self) -> str:
        """An entry of a ``.bib`` file."""
        names = [
            "others" if name == "et al." else re.sub(r"^(.*?)((?: [\w-]+\.)+)$", r"\1,\2", name)
            for name in self.authors
        ]
        place = {"article": "journal", "inproceedings": "booktitle"}.get(self.kind, "howpublished")
        fields = {
            "author": " and ".join(names),
            "title": f"{{{self.title}}}",
            place: self.where,
            "year": str(self.year),
        }
        if self.number.startswith("arXiv:"):
            fields |= {"eprint": self.number.removeprefix("arXiv:"), "archiveprefix": "arXiv"}
        else:
            fields["doi"] = self.number
        return (
            f"@{self.kind}{{{self.key},\n"
            + "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
            + "}\n"
        )


@cache
def references() -> dict[str, Reference]:
    """Every reference by its key."""
    content = yaml.safe_load(REFERENCES.read_text(encoding="utf-8"))
    return {key: Reference(key, **({"kind": entry.pop("type")} | entry)) for key, entry in content.items()}


@dataclass(frozen=True)
class Methods:
    """The text: (heading, paragraph) with references as ``[key]``."""

    parts: list[tuple[str, str]]

    @property
    def cited(self) -> list[Reference]:
        """What the text names and the paper, by authors."""
        keys = {key for _, text in self.parts for found in NAMED.findall(text) for key in found.split("; ")}
        return sorted((references()[key] for key in keys | {TO_CITE}), key=lambda reference: reference.line.casefold())

    def html(self) -> list[tuple[str, Markup]]:
        """For the page: references as authors and year."""
        known = references()

        def set_in_words(found: re.Match[str]) -> str:
            return f" ({'; '.join(known[key].short for key in found[1].split('; '))})"

        return [(heading, Markup(escape(NAMED.sub(set_in_words, text)))) for heading, text in self.parts]

    def markdown(self) -> str:
        """METHODS.md, which Pandoc turns into a section with references."""
        parts = [f"## {heading}\n\n{NAMED.sub(_as_pandoc, text)}\n" for heading, text in self.parts]
        lines = [f"- {reference.line} [@{reference.key}]" for reference in self.cited]
        return "# Methods\n\n" + "\n".join(parts) + "\n## References\n\n" + "\n".join(lines) + "\n"

    def bibtex(self) -> str:
        """references.bib: the software, and what is cited."""
        return SOFTWARE + "".join(f"\n{reference.bibtex}" for reference in self.cited)

    def write(self, text: Path, references: Path) -> None:
        """As METHODS.md and references.bib."""
        write_text(text, self.markdown())
        write_text(references, self.bibtex())


def _as_pandoc(found: re.Match[str]) -> str:
    return f" [{'; '.join(f'@{key}' for key in found[1].split('; '))}]"


def run_methods(sources: ReportSources, config: Config) -> Methods:
    """The methods of a finished run."""
    return methods(config, sources.provenance.get("Software", {}), sources.imported)


PAPER = references()[TO_CITE]
CITE = ([PAPER.line, f"LDAE-ADNI {__version__}, its developers, Apache-2.0."], f"{PAPER.bibtex}\n{SOFTWARE}")
"""What whoever uses a run cites: lines, and BibTeX."""

Version = Callable[[str], str]


def methods(config: Config, software: Mapping[str, str], imported: Collection[str] = ()) -> Methods:
    """The methods of a run.

    Args:
        software: name -> version, as the provenance has them; a library that is not there is named without.
        imported: stages whose networks were taken over from published weights and not trained.
    """

    def version(name: str) -> str:
        return f" {software[name]}" if name in software else ""

    parts = [("Data", _data(config, version))]
    if config.source != "csv":
        parts.append(("Preprocessing", _preprocessing(config, version)))
    parts.append(("Networks", _networks(config, imported) if config.model is None else _frozen(config)))
    parts.append(("Evaluation", _evaluation(config, version)))
    parts.append(("Software", _software(config, version)))
    return Methods(parts)


def _data(config: Config, version: Version) -> str:
    clinica = f"with Clinica{version('clinica')} [clinica]"
    if config.phantom is not None:
        text = (
            "Synthetic heads, smooth warps of the ICBM152 template [mni152], stood for a cohort. They were written as "
        )
        text += (
            f"a raw ADNI download and converted {clinica} to the Brain Imaging Data Structure [bids]."
            if (config.source == "adni")
            else "a dataset in the Brain Imaging Data Structure [bids]."
        )
    elif config.source == "adni":
        text = "Raw DICOM images and tables of the Alzheimer's Disease Neuroimaging Initiative were converted to the "
        text += f"Brain Imaging Data Structure [bids] {clinica}."
    elif config.clinica is not None:
        text = "The raw images and tables of the study were converted to the Brain Imaging Data Structure [bids] "
        text += f"{clinica}."
    elif config.source == "bids":
        text = "T1-weighted images were read from a dataset in the Brain Imaging Data Structure [bids]."
    else:
        text = "The volumes had been corrected, skull-stripped and registered elsewhere and were read as they were."
    if config.model is not None:
        return f"{text} Every scan was a test scan: no network was trained on any of them."
    held = config.splits.held_out_words()
    tested = f"all subjects of {held}" if held else f"{100 * config.splits.test_fraction:.0f} % of the subjects"
    return f"{text} The split was made by subject, never by scan; {tested} were held out for testing."


def _preprocessing(config: Config, version: Version) -> str:
    steps = config.preprocessing
    field, conform, registration = steps.bias_field, steps.conform, steps.registration
    extractor = EXTRACTORS[steps.brain_extraction.backend].format(version("deepbet"))
    template = "the ICBM152 2009a template [mni152]" if registration.template is None else "a template of the user's"
    shape = " × ".join(map(str, conform.shape))
    levels = f"{len(field.iterations)} level{'' if len(field.iterations) == 1 else 's'}"
    kind = "cubic B-spline" if conform.interpolation == "bspline" else "linear"
    return (
        f"The bias field of every scan was corrected with N4 [n4] ({levels}, shrink factor "
        f"{field.shrink_factor}) as ANTsPy{version('antspyx')} [ants] computes it. The brain was extracted by "
        f"{extractor} and registered to {template} with ANTs by {TRANSFORMS[registration.transform]}, searched at "
        f"{registration.resolution_mm:g} mm. A single {kind} interpolation brought it to {shape} voxels of "
        f"{conform.spacing_mm:g} mm. Scans that failed quality control were excluded."
    )


def _networks(config: Config, imported: Collection[str]) -> str:
    first, second, third = config.autoencoder, config.diffusion, config.representation

    def trained(stage: str, training: Training, verb: str = "was") -> str:
        if stage in imported:
            return f"{verb} taken over with the published weights"
        return f"{verb} trained for {training.steps:,} steps of {training.batch} scans"

    terms = ["the absolute error", "a Kullback-Leibler term"]
    terms += ["a patch discriminator"] if first.adversarial_weight else []
    terms += ["a perceptual loss [lpips]"] if first.perceptual_weights is not None else []
    loss = "" if "autoencoder" in imported else f" with {', '.join(terms[:-1])} and {terms[-1]}"
    latent = " × ".join(map(str, config.latent_shape))
    encoder = f"{third.backbone} [convnext]" if third.backbone.startswith("convnext") else third.backbone
    sentences = [
        "The networks are those of latent diffusion autoencoders [ldae].",
        f"An autoencoder [ldm] in MONAI [monai], which compresses a volume to a latent of {latent}, "
        f"{trained('autoencoder', first.training)}{loss}.",
        f"A diffusion model of the latents with {second.timesteps:,} timesteps "
        f"{trained('diffusion', second.training)}.",
        f"A semantic encoder ({encoder} over axial slices, {third.dimension} numbers) and a gradient estimator on the "
        f"frozen diffusion model [pdae] {trained('representation', third.training, 'were')}.",
        "No label was used.",
    ]
    if config.baselines:
        labels = "; the semantic encoder with a linear head was trained on the diagnosis, and again on age"
        sentences.append(
            "For comparison a diffusion autoencoder [diffae] was trained on voxels for "
            f"{config.dae.training.steps:,} steps{labels if config.manifest.require_diagnosis else ''}."
        )
    sentences.append("Every network was trained once.")
    return " ".join(sentences)


def _frozen(config: Config) -> str:
    assert config.model is not None
    return (
        "The networks are those of latent diffusion autoencoders [ldae]: an autoencoder [ldm], a diffusion model of "
        "its latents, a semantic encoder and a gradient estimator [pdae]. They and the linear probes had been "
        f"trained on another cohort and were applied without any change (model {model_digest(config.model)})."
    )


def _evaluation(config: Config, version: Version) -> str:
    settings, sampling = config.evaluation, config.evaluation.sampling
    solver = "DDIM [ddim]" if sampling.solver == "ddim" else "DPM-Solver++ [dpmpp]"
    sentences = [
        f"Scans were encoded and decoded by {solver} in {sampling.steps} steps.",
        "Similarity is SSIM [ssim] with a window of 11 inside the brain.",
        "Numbers stand with 95 % intervals over subjects: from the jackknife where the distribution of a number is "
        f"known, otherwise from {settings.bootstrap:,} bootstrap samples.",
        "Differences are paired on the same scans; a gain counts only after Holm's correction.",
    ]
    if config.model is None and config.manifest.require_diagnosis:
        sentences.insert(
            1,
            f"Logistic and ridge regression (scikit-learn{version('scikit-learn')} [sklearn]) read the diagnosis and "
            "age from the codes, in folds that hold whole subjects and on the test subjects.",
        )
        sentences.insert(
            2,
            "Where enough subjects converted, times from the first scan with MCI to AD followed a Cox model with a "
            f"ridge penalty (lifelines{version('lifelines')} [lifelines]); its concordance up to 36 months is "
            "that of [uno].",
        )
    return " ".join(sentences)


def _software(config: Config, version: Version) -> str:
    own = digest(config.model_dump(mode="json"))
    other = config.model is None and config.seed_of_trainings != config.seed
    trained = f", those of the trainings from the seed {config.seed_of_trainings}" if other else ""
    return (
        f"All steps were run by LDAE-ADNI {__version__} (configuration {own}), a workflow of Snakemake"
        f"{version('snakemake')} [snakemake], with PyTorch{version('torch')} [pytorch]. Random numbers follow from the "
        f"seed {config.seed}{trained}. What was done otherwise than in the paper is listed in the report of the run."
    )
