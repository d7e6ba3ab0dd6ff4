"""What people do in CVAT, done with Datumaro, whose formats CVAT exports.

A script for the Python of hack/setup/annotation_tools.sh, which has neither our code nor our dependencies:

    datumaro_library.py cvat ANNOTATIONS.xml IMAGES EDITS.json OUTPUT
    datumaro_library.py coco_instances ANNOTATIONS.json IMAGES EDITS.json OUTPUT

Either writes OUTPUT/cvat/SPLIT.xml and OUTPUT/coco/annotations/instances_SPLIT.json.

EDITS.json is empty, or {"page": image, "moved": [label, box, new box], "deleted": [label, box], "added": [label, box],
"relabelled": [label, box, new label]}; boxes are [left, top, right, bottom] in pixels.
"""

import json
import shutil
import sys
from pathlib import Path

from datumaro import AnnotationType, Bbox, Dataset

PLACES = {"cvat": "{}", "coco_instances": "annotations/instances_{}"}  # where Datumaro looks for the annotations


def main(name: str, annotations: Path, images: Path, edits_file: Path, output: Path) -> None:
    source = output / "source"
    target = source / PLACES[name].format(annotations.name)
    target.parent.mkdir(parents=True)
    shutil.copy(annotations, target)
    (source / "images").symlink_to(images)
    dataset = Dataset.import_from(str(source), name)
    edits = json.loads(edits_file.read_text())
    if edits:
        labels = dataset.categories()[AnnotationType.label]
        (item,) = [item for item in dataset if item.id == Path(edits["page"]).stem]
        shapes = list(item.annotations)

        def index(label: str, box: list[float]) -> int:
            number = labels.find(label)[0]
            return next(at for at, shape in enumerate(shapes) if shape.label == number and list(shape.points) == box)

        def shape(label: str, box: list[float], *, number: int) -> Bbox:
            left, top, right, bottom = box
            return Bbox(left, top, right - left, bottom - top, label=labels.find(label)[0], id=number)

        label, box, new = edits["moved"]
        at = index(label, box)
        shapes[at] = shape(label, new, number=shapes[at].id)
        label, box, new_label = edits["relabelled"]
        at = index(label, box)
        shapes[at] = shapes[at].wrap(label=labels.find(new_label)[0])
        del shapes[index(*edits["deleted"])]
        # CVAT's XML numbers nothing, and Datumaro then numbers all when it writes COCO.
        highest = max(shape.id for item in dataset for shape in item.annotations)
        shapes.append(shape(*edits["added"], number=highest and highest + 1))
        dataset.put(item.wrap(annotations=shapes))
    dataset.export(str(output / "cvat"), "cvat")
    dataset.export(str(output / "coco"), "coco_instances")


if __name__ == "__main__":
    main(sys.argv[1], *(Path(argument).absolute() for argument in sys.argv[2:]))
