"""The configuration: typed, documented, and closed (an unknown key is an error that names the key).

``config/config.yaml`` holds the paper; ``small_networks.yaml``, ``demo.yaml`` and others overlay it. A rule receives
only the section it uses, so changing a key plans exactly the rules that read it.

A file a part of the chain; :mod:`ldae.config.whole` puts them together, :mod:`ldae.config.reading` reads YAML files.
"""

from ldae.config.arena import Arena
from ldae.config.cohort import (
    AuthorsCsv,
    Bids,
    BidsColumns,
    BidsValues,
    Clinica,
    Convert,
    Manifest,
    Phantom,
    Raw,
    Scanner,
    Splits,
)
from ldae.config.counterfactual import Counterfactual
from ldae.config.evaluation import Arithmetic, Direction, Evaluation, Sampling
from ldae.config.forecasting import Forecasting
from ldae.config.frozen import model_digest, read_recipe, with_model
from ldae.config.method import Method
from ldae.config.networks import Autoencoder, Dae, Diffusion, Discriminator, Imported, Representation, Supervised
from ldae.config.preprocessing import BiasField, BrainExtraction, Conform, Preprocessing, Qc, Quality, Registration
from ldae.config.reading import layered, load_config, merge, parse_config, placed, read_layer
from ldae.config.reliability import Reliability
from ldae.config.section import Section
from ldae.config.training import Compute, Gpu, Launch, Training, computed
from ldae.config.whole import OWN_FOLDERS, Config

__all__ = [
    "OWN_FOLDERS",
    "Arena",
    "Arithmetic",
    "AuthorsCsv",
    "Autoencoder",
    "BiasField",
    "Bids",
    "BidsColumns",
    "BidsValues",
    "BrainExtraction",
    "Clinica",
    "Compute",
    "Config",
    "Conform",
    "Convert",
    "Counterfactual",
    "Dae",
    "Diffusion",
    "Direction",
    "Discriminator",
    "Evaluation",
    "Forecasting",
    "Gpu",
    "Imported",
    "Launch",
    "Manifest",
    "Method",
    "Phantom",
    "Preprocessing",
    "Qc",
    "Quality",
    "Raw",
    "Registration",
    "Reliability",
    "Representation",
    "Sampling",
    "Scanner",
    "Section",
    "Splits",
    "Supervised",
    "Training",
    "computed",
    "layered",
    "load_config",
    "merge",
    "model_digest",
    "parse_config",
    "placed",
    "read_layer",
    "read_recipe",
    "with_model",
]
