"""``ldae import-weights``."""

import logging
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ldae.core.errors import UserError

if TYPE_CHECKING:
    from ldae.config import Config
    from ldae.inference.imported import Model
    from ldae.inference.probe import Probe


def add(commands) -> None:
    command: ArgumentParser = commands.add_parser(
        "import-weights",
        help="the paper's published weights as models of this workflow",
        description="In: safetensors, or pickles through PyTorch's restricted unpickler. Out: safetensors. "
        "Every tensor has to find its place.",
    )
    command.add_argument("--config", type=Path, nargs="+", metavar="FILE", default=[Path("config/config.yaml")])
    place = command.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="folder of the models, such as results/train")
    place.add_argument("--model", type=Path, metavar="DIR", help="or: all of them as one model folder for `ldae apply`")
    command.add_argument("--autoencoder", type=Path, metavar="FILE", help="AutoencoderKL of MONAI Generative")
    command.add_argument("--unet", type=Path, metavar="FILE", help="unconditional latent UNet")
    command.add_argument("--encoder", type=Path, metavar="FILE", help="semantic encoder; with --estimator")
    command.add_argument("--estimator", type=Path, metavar="FILE", help="gradient estimator, its frozen UNet included")
    command.add_argument("--probe", type=Path, nargs=3, metavar=("CLASSIFIER", "MEAN", "STD"), help="AD-CN probe files")
    command.add_argument("--scale-factor", type=float, help="of the latents (imported.scale_factor)")
    command.add_argument("--axes", metavar="LAS", help="directions of the volumes' indices in training (imported.axes)")
    command.add_argument(
        "--centre-mm", type=float, nargs=3, metavar=("X", "Y", "Z"), help="of their box, MNI (imported.centre_mm)"
    )
    command.add_argument("--spacing-mm", type=float, help="edge of their voxels (imported.spacing_mm)")
    command.add_argument(
        "--plain", type=Path, nargs="+", default=[], metavar="FILE", help="state dicts to convert as they are"
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.inference import imported
    from ldae.training.safety.delivery import keep_imported

    if (options.encoder is None) != (options.estimator is None):
        raise UserError("Give --encoder and --estimator together: they were trained together.")
    if options.unet is not None and options.estimator is not None:
        raise UserError("Give --unet or --estimator, not both: the estimator's file holds its own frozen UNet.")
    if not any((options.autoencoder, options.unet, options.estimator, options.probe, options.plain)):
        raise UserError("No file is named: give --autoencoder, --unet, --encoder with --estimator, --probe or --plain.")
    stems = [path.stem for path in options.plain]
    if twice := [path for path in options.plain if stems.count(path.stem) > 1]:
        raise UserError(
            f"{twice[0]} and {twice[1]} would both become {twice[0].stem}.safetensors: convert them into two folders."
        )
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.model is not None:
        return write_model_folder(options)
    settings, models = None, []
    if options.autoencoder or options.unet or options.estimator:
        settings = with_options(load_config(*options.config), options)
        models = read_models(options, settings, options.out)
    with ExitStack() as files:  # they get their names, and the models are written, when all have been read
        said = [convert(path, options.out / f"{path.stem}.safetensors", files) for path in options.plain]
        if options.probe:
            classifier, mean, std = options.probe
            said.append(import_probe(classifier, mean, std, options.out / "probe_ad.json", files))
    if settings is not None:
        imported.write_models(models, settings, options.out)
        keep_imported(options.out)
    print(*said, sep="\n", end="\n" if said else "")
    return 0


def read_models(options: Namespace, settings: "Config", out: Path) -> list["Model"]:
    """The models of the files that were given, to be written below ``out``."""
    from ldae.inference import imported

    models = []
    if options.autoencoder:
        models += imported.read_autoencoder(options.autoencoder, settings, out)
    if options.unet:
        models += imported.read_unet(options.unet, settings, out)
    if options.estimator:
        models += imported.read_representation(options.encoder, options.estimator, settings, out)
    return models


def write_model_folder(options: Namespace) -> int:
    """All networks, and the probe that came with them, as a folder for ``LDAE.load`` and ``ldae apply``."""
    from ldae.config import load_config
    from ldae.report.export_model import verify_model
    from ldae.report.import_model import import_model

    if options.plain:
        raise UserError("--plain converts files by themselves: give it with --out, not with --model.")
    settings = with_options(load_config(*options.config), options)
    probes = {"ad": read_published_probe(*options.probe)} if options.probe else {}
    import_model(options.model, settings, lambda folder: read_models(options, settings, folder), probes)
    print(f"{options.model}: {verify_model(options.model)}")
    return 0


def with_options(settings: "Config", options: Namespace) -> "Config":
    """The configuration with what the command line says of the weights in its section ``imported``."""
    from ldae.config import parse_config

    given = {name: getattr(options, name) for name in ("scale_factor", "axes", "centre_mm", "spacing_mm")}
    said = {name: value for name, value in given.items() if value is not None}
    content = settings.model_dump(mode="json", exclude_unset=True)
    return parse_config(content | {"imported": content.get("imported", {}) | said}) if said else settings


def convert(path: Path, out: Path, files: ExitStack) -> str:
    """A state dict as safetensors, under its own names; returns the digest that the configuration asks for."""
    from ldae.core.files import new_path, require_same, sha256_file
    from ldae.inference.foreign_weights import read_state_dict
    from ldae.networks.weights import save_weights

    state = read_state_dict(path)
    temporary = files.enter_context(new_path(out))
    save_weights(temporary, state)
    require_same(out, temporary)
    return f"{out}  sha256 {sha256_file(temporary)}"


def import_probe(classifier: Path, mean: Path, std: Path, out: Path, files: ExitStack) -> str:
    """The published probe in the form of ``evaluate/probes/probe_ad.json``."""
    from ldae.core.files import new_path, require_same, sha256_file, write_json

    probe = read_published_probe(classifier, mean, std)
    temporary = files.enter_context(new_path(out))
    content = {"positive": "AD", "features": "ldae", "imported": sha256_file(classifier)}
    write_json(temporary, probe.as_json() | content)
    require_same(out, temporary)
    return f"{out}  AD is positive"


def read_published_probe(classifier: Path, mean: Path, std: Path) -> "Probe":
    """The authors' probe with the sign turned: score(y_sem) is the logit of AD, which is class 0 in their code.

    Args:
        classifier: state dict with a weight (1, dimension) and a bias (1,); its logit is that of CN.
        mean, std: moments of y_sem (dimension,) by which the features were standardised.

    Raises:
        UserError: a file is refused, or the shapes do not belong together.
    """
    import numpy as np

    from ldae.inference.foreign_weights import read_state_dict, read_tensor
    from ldae.inference.probe import Probe

    state = read_state_dict(classifier)
    tensors = {name.rsplit(".", 1)[-1]: tensor for name, tensor in state.items()}
    if tensors.keys() != {"weight", "bias"} or len(state) != 2 or tensors["weight"].dim() != 2:
        raise UserError(f"{classifier} is not one linear layer: it holds {', '.join(sorted(state))}.")
    moments = [read_tensor(path).double().flatten().numpy() for path in (mean, std)]
    dimension = tensors["weight"].shape[1]
    if tensors["weight"].shape[0] != 1 or any(len(moment) != dimension for moment in moments):
        raise UserError(
            f"{classifier} ({tuple(tensors['weight'].shape)}), {mean} ({len(moments[0])}) and {std} "
            f"({len(moments[1])}) do not belong together."
        )
    weight, bias = tensors["weight"].double().numpy()[0], float(tensors["bias"])
    return Probe(moments[0], np.asarray(moments[1]), -weight, -bias, 0.0)
