"""Base weights: mmdetection's own in the default's network, those that ship, and a training that began with some."""

import json
from pathlib import Path
from typing import Any

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from tests.support.train.place import Place
from training.errors import ConfigError
from training.model import config
from training.model.base_weights import builtin, check
from training.model.base_weights.fit import Share, fit
from training.storage.files import sha256_file
from training.train import command as train

pytestmark = pytest.mark.integration
ZOO = Path(mmdet.__file__).parent / ".mim" / "configs" / "hrnet"
State = dict[str, torch.Tensor]


def tensors_of(model: Any) -> State:
    """Names and shapes of a network's tensors, which take no memory."""
    with torch.device("meta"), DefaultScope.overwrite_default_scope("mmdet"):
        return dict(MODELS.build(model).state_dict())


@pytest.fixture(scope="module")
def default_network(tmp_path_factory: pytest.TempPathFactory) -> State:
    from mmdet.utils import register_all_modules  # noqa: PLC0415

    register_all_modules(init_default_scope=False)
    file = config.find(config.DEFAULT_CONFIG, download_to=tmp_path_factory.mktemp("config"))
    return tensors_of(config.load(file).model)


def of_the_zoo(name: str) -> State:
    return tensors_of(Config.fromfile(ZOO / f"{name}.py").model)


def test_mmdetections_coco_weights_fill_the_default_but_for_the_layers_that_name_classes(
    default_network: State,
) -> None:
    found = fit(of_the_zoo("cascade-rcnn_hrnetv2p-w18-20e_coco"), default_network)
    assert (found.network, found.backbone, found.statistics) == (Share(1862, 1872), Share(1830, 1830), Share(305, 305))
    assert {name.rsplit(".", 2)[1] for name in found.misshapen} == {"rpn_cls", "rpn_reg", "fc_cls"}
    found.check("base.pth")


@pytest.mark.parametrize("name", ["cascade-rcnn_hrnetv2p-w32-20e_coco", "biases"])
def test_weights_of_a_wider_network_or_of_biases_alone_are_refused_with_counts(
    name: str, default_network: State
) -> None:
    biases = {name: value for name, value in default_network.items() if name.endswith(".bias")}
    found = fit(biases if name == "biases" else of_the_zoo(name), default_network)
    with pytest.raises(ConfigError, match=r"fills (380|305) of 1,830 tensors of the network's backbone"):
        found.check("base.pth")


@pytest.fixture
def shipped(straight: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """`builtin://small`, a trained model in half precision, ships with the worker."""
    folder = tmp_path / "builtin"
    folder.mkdir()
    state = {name: value.half() if value.is_floating_point() else value for name, value in straight.weights().items()}
    torch.save({"state_dict": state}, folder / "small.pth")
    (folder / "small.json").write_text(json.dumps({"sha256": sha256_file(folder / "small.pth")}))
    monkeypatch.setattr(builtin, "FOLDER", folder)
    return state


def test_a_training_from_base_weights_says_so_in_every_attempt_and_keeps_their_recipe(
    place: Place, shipped: State
) -> None:
    number = len(shipped)
    sentence = f"The training began with builtin://small, which fills {number} of {number} tensors of the network."
    for epochs, start in ((1, ("--load-from", "builtin://small")), (2, ("--resume-from", "auto"))):
        assert train.main(place.arguments(*start, epochs=epochs)) == 0
        assert place.termination()["progress"]["baseWeights"] == {"loaded": True, "message": sentence}
        assert place.manifest()["baseWeights"] == {"uri": "builtin://small", "filled": number, "of": number}
        assert place.manifest()["epochs"] == epochs
        resolved = Config.fromfile(place.model.parent / "model.pth.config.py")
        assert resolved.optim_wrapper.optimizer.lr == 0.0005
        assert "with_base_weights" not in resolved
    # Half precision rounds the weights; trained gently, they stay near to that.
    trained = place.weights()
    assert {name: value.dtype for name, value in trained.items()} == {
        name: torch.int64 if name.endswith("num_batches_tracked") else torch.float32 for name in trained
    }
    assert all(
        torch.allclose(value, shipped[name].float(), atol=0.05)
        for name, value in trained.items()
        if name.endswith("conv1.weight")
    )


def test_a_training_from_random_weights_says_so(straight: Place) -> None:
    assert straight.manifest()["baseWeights"] is None
    assert straight.termination()["progress"]["baseWeights"]["loaded"] is False
    resolved = Config.fromfile(straight.model.parent / "model.pth.config.py")
    assert resolved.optim_wrapper.optimizer.lr == 0.004


def test_a_file_can_be_checked_against_a_config(
    straight: Place, shipped: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = f"{len(shipped)} of {len(shipped)} tensors of the network are filled"
    for weights in ("builtin://small", str(straight.model)):
        assert check.main([weights, "--config", str(straight.config)]) == 0
        printed = capsys.readouterr().out
        assert number in printed
        assert "can start from" in printed
    wider = tmp_path / "wider.py"
    wider.write_text(f"_base_ = [{str(straight.config)!r}]\nmodel = dict(backbone=dict(extra=dict({WIDER})))\n")
    assert check.main([str(straight.model), "--config", str(wider)]) == 64
    printed, error = capsys.readouterr()
    assert "of backbone.layer1 are of another shape in the file" in printed
    assert "error: ConfigError" in error
    assert "tensors of the network's backbone, too few to start from" in error
    assert check.main(["builtin://other"]) == 66


WIDER = "stage1=dict(num_channels=(24,), num_blocks=(2,))"
