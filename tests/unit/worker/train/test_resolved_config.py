"""How a config is completed: on plain dicts, which have all that is needed of mmengine's Config."""

import copy
from pathlib import Path
from typing import Any

import pytest

from training.dataset.split import SPLITS
from training.dataset.training_set import DatasetFacts
from training.errors import ConfigError, NotFound
from training.model import config
from training.train import bound_config, resolved_config
from training.train.bound_config import Placement
from training.train.resolved_config import Choices

FACTS = DatasetFacts(classes=("table", "Cell", "header"), images={"train": 100, "val": 10, "test": 10})
MEBIBYTE = 1024 * 1024
COCO_METRIC = {"type": "CocoMetric", "metric": "bbox"}


def minimal() -> dict[str, Any]:
    def loader(**dataset: Any) -> dict[str, Any]:
        return {"batch_size": 4, "num_workers": 8, "dataset": {"type": "CocoDataset", **dataset}}

    return {
        "model": {
            "type": "CascadeRCNN",
            "backbone": {"norm_eval": True, "init_cfg": {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}},
            "rpn_head": {"type": "RPNHead", "num_classes": 1},
            "roi_head": {"bbox_head": [{"type": "Shared2FCBBoxHead", "num_classes": 3}]},
        },
        "train_dataloader": {**loader(), "batch_sampler": {"type": "AspectRatioBatchSampler"}, "drop_last": True},
        "val_dataloader": loader(),
        "test_dataloader": loader(),
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 20},
        "optim_wrapper": {},
        "param_scheduler": [
            {"type": "LinearLR", "by_epoch": False, "begin": 0, "end": 500},
            {"type": "MultiStepLR", "by_epoch": True, "milestones": [16, 19], "end": 20},
        ],
    }


def test_a_resolved_config_knows_classes_files_epochs_and_seed_and_leaves_its_source_alone() -> None:
    source = minimal()
    before = copy.deepcopy(source)
    resolved = resolved_config.resolve(source, FACTS, Choices(epochs=10, seed=7))
    assert source == before
    assert resolved["train_dataloader"]["dataset"]["metainfo"]["classes"] == ["table", "Cell", "header"]
    assert resolved["val_dataloader"]["dataset"]["ann_file"] == "val/val.json"
    assert resolved["test_evaluator"]["ann_file"] == "test/test.json"
    assert resolved["test_evaluator"]["classwise"] is True
    assert resolved["train_cfg"]["max_epochs"] == 10
    assert resolved["randomness"]["seed"] == 7


@pytest.mark.parametrize(("given", "classwise"), [({}, True), ({"classwise": False}, False)])
def test_classes_are_evaluated_one_by_one_unless_the_config_says_otherwise(
    given: dict[str, bool], classwise: bool
) -> None:
    source = {**minimal(), "val_evaluator": [{"type": "CocoMetric", "metric": "bbox", **given}]}
    evaluator = resolved_config.resolve(source, FACTS, Choices())["val_evaluator"][0]
    assert evaluator["classwise"] is classwise
    assert evaluator["ann_file"] == "val/val.json"


PRETRAINED = {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}
KAIMING = {"type": "Kaiming", "layer": "Conv2d"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"init_cfg": PRETRAINED}, {"init_cfg": None}),
        ({"init_cfg": [PRETRAINED]}, {"init_cfg": None}),
        ({"init_cfg": [KAIMING, PRETRAINED]}, {"init_cfg": [KAIMING]}),
        ({"pretrained": "torchvision://resnet50"}, {"pretrained": None}),
    ],
)
def test_nothing_is_fetched_from_the_network_and_the_log_says_so(
    given: dict[str, Any], kept: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    source = {**minimal(), "load_from": "https://models/base.pth"}
    source["model"]["backbone"] = {"type": "HRNet", **given}
    resolved = resolved_config.resolve(source, FACTS, Choices())
    assert resolved["model"]["backbone"] == {"type": "HRNet", **kept}
    assert resolved["load_from"] is None
    assert [record.getMessage() for record in caplog.records] == [
        "the config's load_from is ignored: base weights come from --load-from alone",
        "the pretrained weights of HRNet are not fetched: base weights come from --load-from alone",
    ]


@pytest.mark.parametrize("given", [{"init_cfg": [KAIMING]}, {"init_cfg": KAIMING}, {"pretrained": None}, {}])
def test_what_fetches_nothing_stays(given: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    source = minimal()
    source["model"]["backbone"] = dict(given)
    assert resolved_config.resolve(source, FACTS, Choices())["model"]["backbone"] == given
    assert not caplog.records


@pytest.mark.parametrize(("given", "kept"), [({}, False), ({"randomness": {"deterministic": True}}, True)])
def test_a_deterministic_training_can_be_asked_for(given: dict[str, Any], kept: bool) -> None:
    resolved = resolved_config.resolve({**minimal(), **given}, FACTS, Choices(seed=7))
    assert resolved["randomness"] == {"seed": 7, "deterministic": kept}


@pytest.mark.parametrize(
    ("amp", "wrapper"),
    [
        ("off", {"accumulative_counts": 2}),
        ("bf16", {"type": "AmpOptimWrapper", "dtype": "bfloat16", "loss_scale": {"enabled": False}}),
        ("fp16", {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": "dynamic"}),
    ],
)
def test_mixed_precision_is_a_matter_of_mmengines_own_optim_wrapper(amp: str, wrapper: dict[str, Any]) -> None:
    source = {**minimal(), "optim_wrapper": {"accumulative_counts": 2}}
    resolved = resolved_config.resolve(source, FACTS, Choices(amp=amp))
    assert resolved["optim_wrapper"] == {"accumulative_counts": 2, **wrapper}


def test_mixed_precision_is_refused_for_another_optim_wrapper() -> None:
    source = {**minimal(), "optim_wrapper": {"type": "ApexOptimWrapper"}}
    with pytest.raises(ConfigError, match="--amp fp16 needs an OptimWrapper, and the config has ApexOptimWrapper"):
        resolved_config.resolve(source, FACTS, Choices(amp="fp16"))


@pytest.mark.parametrize("norm_statistics", [True, False])
def test_statistics_are_kept_only_where_base_weights_bring_them(norm_statistics: bool) -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices(norm_statistics=norm_statistics))
    assert resolved["model"]["backbone"]["norm_eval"] is norm_statistics


@pytest.mark.parametrize(
    ("fraction", "epochs", "frozen_from"),
    [(None, 20, None), (0.25, 1, 1), (0.25, 2, 1), (0.25, 8, 2), (0.25, 20, 5), (0.9, 10, 9)],
)
def test_statistics_are_frozen_from_a_part_of_the_epochs_on_but_learned_for_one_at_least(
    fraction: float | None, epochs: int, frozen_from: int | None
) -> None:
    resolved = resolved_config.resolve({**minimal(), "freeze_norm_after": fraction}, FACTS, Choices(epochs=epochs))
    assert resolved_config.norm_frozen_from(resolved) == frozen_from


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 5, "half", True])
def test_what_is_no_part_of_the_epochs_freezes_nothing_and_is_refused(fraction: Any) -> None:
    with pytest.raises(ConfigError, match=r"freeze_norm_after is .*; it is a fraction of the epochs between 0 and 1"):
        resolved_config.resolve({**minimal(), "freeze_norm_after": fraction}, FACTS, Choices())


@pytest.mark.parametrize(
    ("epochs", "steps"), [(1, []), (2, [1]), (5, [4]), (8, [6, 7]), (10, [8, 9]), (20, [16, 19]), (100, [80, 95])]
)
def test_the_learning_rate_falls_at_80_and_95_percent_of_the_epochs(epochs: int, steps: list[int]) -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices(epochs=epochs))
    assert resolved["param_scheduler"][1]["milestones"] == steps
    assert resolved["param_scheduler"][1]["end"] == epochs


@pytest.mark.parametrize(("epochs", "warm_up"), [(1, 8), (20, 166), (100, 500)])
def test_the_warm_up_takes_a_third_of_a_short_training_at_most(epochs: int, warm_up: int) -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices(epochs=epochs))
    assert resolved["param_scheduler"][0]["end"] == warm_up


def test_the_warm_up_of_the_shortest_training_ends_too() -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices(epochs=1, ranks=25))
    assert resolved["param_scheduler"][0]["end"] == 2


def with_coco_head(source: dict[str, Any]) -> None:
    source["model"]["roi_head"]["bbox_head"][0]["num_classes"] = 80


def with_other_names(source: dict[str, Any]) -> None:
    source["train_dataloader"]["dataset"]["metainfo"] = {"classes": ("cell", "table", "header")}


def without_epochs(source: dict[str, Any]) -> None:
    del source["train_cfg"]["max_epochs"]


def counted_in_iterations(source: dict[str, Any]) -> None:
    source["train_cfg"]["type"] = "IterBasedTrainLoop"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (with_coco_head, "Shared2FCBBoxHead has 80 classes, but the dataset has 3 classes (table, Cell, header)."),
        (with_other_names, "The config's classes are cell, table, header, but the dataset has 3 classes"),
        (without_epochs, "--num-epoch is needed."),
        (counted_in_iterations, "must be an EpochBasedTrainLoop"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_a_sentence(change: Any, sentence: str) -> None:
    source = minimal()
    change(source)
    with pytest.raises(ConfigError) as refused:
        resolved_config.resolve(source, FACTS, Choices())
    assert sentence in str(refused.value)


def placement(**changes: Any) -> Placement:
    folders = {split: Path("/data") / split for split in SPLITS}
    return Placement(
        **{
            "work_dir": Path("/work"),
            "image_folders": folders,
            "annotation_files": {split: folder / f"{split}.json" for split, folder in folders.items()},
            "max_data_workers": 1,
            **changes,
        }
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"classwise": False},
        {"metric": ["bbox"], "format_only": False, "backend_args": None},
    ],
)
def test_boxes_are_evaluated_by_our_metric_and_grids_at_the_test_alone(given: dict[str, Any]) -> None:
    source = {**minimal(), **{f"{split}_evaluator": {**COCO_METRIC, **given} for split in ("val", "test")}}
    resolved = resolved_config.resolve(source, FACTS, Choices())
    bound = bound_config.bind(resolved, placement())
    assert bound["val_evaluator"] == {"type": "TableMetric", "ann_file": "/data/val/val.json", "grids": False}
    assert bound["test_evaluator"] == {"type": "TableMetric", "ann_file": "/data/test/test.json", "grids": True}
    assert resolved["test_evaluator"]["type"] == "CocoMetric"


@pytest.mark.parametrize(
    "given",
    [
        {"type": "VOCMetric", "metric": "mAP"},
        {**COCO_METRIC, "metric": ["bbox", "segm"]},
        {**COCO_METRIC, "iou_thrs": [0.5]},
        {**COCO_METRIC, "format_only": True, "outfile_prefix": "out"},
    ],
)
def test_another_evaluator_or_one_that_is_asked_for_more_stays(given: dict[str, Any]) -> None:
    resolved = resolved_config.resolve({**minimal(), "val_evaluator": [given]}, FACTS, Choices())
    (evaluator,) = bound_config.bind(resolved, placement())["val_evaluator"]
    assert given.items() <= evaluator.items()


def test_a_bound_config_trains_here_with_the_exact_loop() -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices())
    before = copy.deepcopy(resolved)
    bound = bound_config.bind(resolved, placement())
    assert resolved == before
    assert bound["train_cfg"]["type"] == "ExactEpochLoop"
    assert bound["train_dataloader"]["dataset"]["type"] == "SeededDataset"
    assert bound["train_dataloader"]["dataset"]["dataset"]["ann_file"] == "/data/train/train.json"
    assert bound["train_dataloader"]["batch_sampler"] == {
        "type": "SkippableBatchSampler",
        "inner": {"type": "AspectRatioBatchSampler"},
        "drop_last": True,
    }
    assert "drop_last" not in bound["train_dataloader"]
    assert bound["train_dataloader"]["num_workers"] == 1
    assert bound["val_evaluator"]["ann_file"] == "/data/val/val.json"
    assert bound["default_hooks"]["checkpoint"] is None


def test_a_bound_config_assigns_labels_in_chunks_and_the_published_one_is_mmdetections_own() -> None:
    source = minimal()
    source["model"]["train_cfg"] = {"rcnn": [{"assigner": {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5}}]}
    resolved = resolved_config.resolve(source, FACTS, Choices())
    bound = bound_config.bind(resolved, placement())
    assert resolved["model"]["train_cfg"] == source["model"]["train_cfg"]
    assert bound["model"]["train_cfg"]["rcnn"][0]["assigner"] == {"type": "ChunkedMaxIoUAssigner", "pos_iou_thr": 0.5}


def test_a_bound_config_pads_pages_that_its_network_cannot_take_and_the_published_one_does_not() -> None:
    source = minimal()
    source["model"]["rpn_head"]["anchor_generator"] = {"strides": [4, 64]}
    for split in SPLITS:
        source[f"{split}_dataloader"]["dataset"]["pipeline"] = [{"type": "Resize"}, {"type": "PackDetInputs"}]
    resolved = resolved_config.resolve(source, FACTS, Choices())
    bound = bound_config.bind(resolved, placement())
    for split in SPLITS:
        steps = config.innermost_dataset(bound[f"{split}_dataloader"]["dataset"])["pipeline"]
        assert [step["type"] for step in steps] == ["Resize", "Pad", "PackDetInputs"]
        assert len(resolved[f"{split}_dataloader"]["dataset"]["pipeline"]) == 2


@pytest.mark.parametrize("has_gpu", [True, False])
def test_batch_normalization_over_ranks_needs_gpus(has_gpu: bool) -> None:
    resolved = resolved_config.resolve({**minimal(), "sync_bn": "torch"}, FACTS, Choices())
    assert ("sync_bn" in bound_config.bind(resolved, placement(has_gpu=has_gpu))) is has_gpu


@pytest.mark.parametrize(("balanced", "sampler"), [(True, "CategoryBalancedSampler"), (False, "RandomSampler")])
@pytest.mark.parametrize("is_cascade", [True, False])
def test_boxes_are_balanced_between_categories_where_the_config_asks_for_it(
    balanced: bool, sampler: str, is_cascade: bool
) -> None:
    source = {**minimal(), "balance_categories": balanced}
    stage = {"sampler": {"type": "RandomSampler", "num": 512}}
    source["model"]["train_cfg"] = {
        "rpn": {"sampler": {"type": "RandomSampler"}},
        "rcnn": [stage] if is_cascade else stage,
    }
    bound = bound_config.bind(resolved_config.resolve(source, FACTS, Choices()), placement())["model"]["train_cfg"]
    assert bound["rpn"]["sampler"]["type"] == "RandomSampler"
    assert (bound["rcnn"][0] if is_cascade else bound["rcnn"])["sampler"] == {"type": sampler, "num": 512}


@pytest.mark.parametrize(
    ("amp", "has_gpu", "kind"),
    [
        ("bf16", True, "AmpOptimWrapper"),
        ("fp16", True, "AmpOptimWrapper"),
        ("bf16", False, "CPUBfloat16OptimWrapper"),
        ("off", False, None),
    ],
)
def test_mixed_precision_is_bound_to_the_device(amp: str, has_gpu: bool, kind: str | None) -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices(amp=amp))
    bound = bound_config.bind(resolved, placement(has_gpu=has_gpu))
    assert bound["optim_wrapper"].get("type") == kind
    assert bound["train_dataloader"]["pin_memory"] is has_gpu


def test_float16_is_refused_on_a_cpu() -> None:
    resolved = resolved_config.resolve(minimal(), FACTS, Choices(amp="fp16"))
    with pytest.raises(ConfigError, match="float16 needs a GPU, and none is visible; on a CPU take --amp bf16"):
        bound_config.bind(resolved, placement())


@pytest.mark.parametrize(
    ("cpus", "shared_memory_mebibytes", "ranks", "has_gpu", "workers"),
    [
        (1, 1024, 1, False, 0),
        (2, 1024, 1, False, 1),
        (16, 1024, 1, False, 8),
        (16, 64, 1, False, 0),
        (8, 4096, 2, False, 3),
        (4, 4096, 4, False, 0),
        (4, 4096, 4, True, 1),
        (2, 4096, 4, True, 1),
        (32, 4096, 4, True, 7),
        (32, 1024, 4, True, 2),
        (4, 64, 4, True, 0),
    ],
)
def test_data_workers_leave_each_rank_a_core_and_need_shared_memory(
    cpus: int, shared_memory_mebibytes: int, ranks: int, has_gpu: bool, workers: int
) -> None:
    found = bound_config.data_workers(
        cpus=cpus, shared_memory_bytes=shared_memory_mebibytes * MEBIBYTE, ranks=ranks, has_gpu=has_gpu
    )
    assert found == workers


def test_a_config_is_found_by_name_with_or_without_its_suffix_or_by_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("")
    environment = {"TRAINING_CONFIGS_DIR": str(tmp_path)}
    for name in ("mine", "mine.py", str(file)):
        assert config.find(name, download_to=tmp_path, environ=environment) == file
    assert config.find(config.DEFAULT_CONFIG, download_to=tmp_path, environ={}).is_file()


@pytest.mark.parametrize(("name", "error"), [("other", NotFound), ("folder/other.py", NotFound), (".", ConfigError)])
def test_a_config_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, name: str, error: type[Exception]
) -> None:
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(error) as missing:
        config.find(name, download_to=tmp_path, environ={"TRAINING_CONFIGS_DIR": str(tmp_path)})
    assert name in str(missing.value)
