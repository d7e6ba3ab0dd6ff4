"""What people do in Label Studio, done with its own library.

A script for the Python of hack/setup/annotation_tools.sh, which has neither our code nor our dependencies:

    label_studio_library.py tasks TASKS.json CONFIG.xml EDITS.json OUTPUT    imports our tasks
    label_studio_library.py coco COCO.json OUTPUT                            imports a COCO file

Either writes OUTPUT/{json,json-min,coco}/result.json.

EDITS.json is empty, or {"page": image, "moved": [label, box, new box], "deleted": [label, box], "added": [label, box],
"relabelled": [label, box, new label]}; boxes are [left, top, right, bottom] in pixels.
"""

import json
import sys
from pathlib import Path
from typing import Any

from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.imports.coco import convert_coco_to_ls
from label_studio_sdk.label_interface import LabelInterface

FORMATS = {"JSON": "json", "JSON_MIN": "json-min", "COCO": "coco"}


def tasks(tasks_file: Path, config_file: Path, edits_file: Path, output: Path) -> None:
    config, edits = config_file.read_text(), json.loads(edits_file.read_text())
    interface = LabelInterface(config)
    interface.validate()
    content = json.loads(tasks_file.read_text())
    for number, task in enumerate(content, 1):
        (prediction,) = task["predictions"]
        assert interface.validate_prediction(prediction), task
        task["id"] = number
        # Opened and submitted: the prediction's regions become the annotation's.
        task["annotations"] = [{"id": 100 + number, "completed_by": 1, "was_cancelled": False, **prediction}]
        if edits and task["data"]["dataset_page"] == edits["page"]:
            edit_regions(task["annotations"][0]["result"], edits)
        assert interface.validate_annotation(task["annotations"][0]), task
    export(content, config, output)


def edit_regions(regions: list[dict[str, Any]], edits: dict[str, Any]) -> None:
    width, height = regions[0]["original_width"], regions[0]["original_height"]

    def shape(label: str, box: list[float]) -> dict[str, Any]:
        left, top, right, bottom = box
        return {
            "x": left / width * 100,
            "y": top / height * 100,
            "width": (right - left) / width * 100,
            "height": (bottom - top) / height * 100,
            "rotation": 0,
            "rectanglelabels": [label],
        }

    def region(label: str, box: list[float]) -> dict[str, Any]:
        wanted = shape(label, box)
        return next(
            region
            for region in regions
            if region["value"]["rectanglelabels"] == [label]
            and all(abs(region["value"][side] - wanted[side]) < 1e-6 for side in ("x", "y", "width", "height"))
        )

    label, box, new = edits["moved"]
    region(label, box)["value"] = shape(label, new)
    label, box, new_label = edits["relabelled"]
    region(label, box)["value"]["rectanglelabels"] = [new_label]
    regions.remove(region(*edits["deleted"]))
    regions.append({**regions[0], "id": "drawn", "value": shape(*edits["added"])})


def coco(coco_file: Path, output: Path) -> None:
    output.mkdir(parents=True)
    tasks_file = output / "tasks.json"
    convert_coco_to_ls(str(coco_file), str(tasks_file), image_root_url="/data/local-files/?d=images")
    tasks = [{**task, "id": number} for number, task in enumerate(json.loads(tasks_file.read_text()), 1)]
    export(tasks, (output / "tasks.label_config.xml").read_text(), output)


def export(tasks: list[dict[str, Any]], config: str, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    submitted = output / "submitted.json"
    submitted.write_text(json.dumps(tasks))
    for name, folder in FORMATS.items():
        converter = Converter(config, project_dir=str(output), download_resources=False)
        converter.convert(str(submitted), str(output / folder), name, is_dir=False)


if __name__ == "__main__":
    {"tasks": tasks, "coco": coco}[sys.argv[1]](*(Path(argument).absolute() for argument in sys.argv[2:]))
