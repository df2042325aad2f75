"""Files that would run code if they were unpickled or loaded as full YAML: a typed error, and nothing runs."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from tiny import copied, killed_at
from toy import ToyStage, training

from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file, write_json
from ldae.core.store import open_store
from ldae.inference.model_folder import read_model
from ldae.networks.weights import load_weights
from ldae.training.loop import train


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def bomb(tmp_path):
    target = tmp_path / "exploded"
    yield Bomb(target)
    assert not target.exists()
    pickle.loads(pickle.dumps(Bomb(target)))
    assert target.exists(), "the bomb itself must work"


def test_a_pickle_as_checkpoint_is_never_opened(tmp_path, bomb, caplog):
    """Even with a matching digest: the newest is left out, and without another one the run is refused."""

    folder = tmp_path / "run"
    killed_at(9, 8, folder, lambda on_step: train(ToyStage(on_step=on_step), training(), 1, folder, {}))
    for step in (8, 4):
        path = folder / f"step-{step:08d}.safetensors"
        path.write_bytes(pickle.dumps(bomb))
        description = path.with_suffix(".json")
        write_json(description, read_json(description) | {"sha256": sha256_file(path)})
        if step == 8:
            stage = ToyStage(on_step=lambda step: (folder / "stop").touch())
            with pytest.raises(Exception, match="saved after step 5"):
                train(stage, training(), 1, folder, {})
            assert "step-00000008.safetensors is damaged" in caplog.text
            (folder / "step-00000005.json").unlink()
    with pytest.raises(UserError, match=r"All checkpoints in .* are damaged"):
        train(ToyStage(), training(), 1, folder, {})


def test_a_pickle_as_model_or_weights_is_an_error(cohort, tmp_path, bomb):
    model = copied(cohort.folder / "train/autoencoder", tmp_path / "model")
    (model / "model.safetensors").write_bytes(pickle.dumps(bomb))
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_model(model)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load_weights(model / "model.safetensors")


def test_an_object_array_as_store_is_an_error(cohort, tmp_path, bomb):
    store = copied(cohort.folder / "volumes", tmp_path / "store")
    np.save(store / "data.npy", np.array([bomb] * 8, dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"data\.npy is not a plain array"):
        open_store(store)


def test_a_yaml_tag_in_the_configuration_is_an_error(tmp_path, bomb):
    path = tmp_path / "evil.yaml"
    path.write_text(
        f"seed: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{bomb.path}]]\n"
    )
    with pytest.raises(UserError, match=r"evil\.yaml is not plain YAML"):
        load_config(path)
