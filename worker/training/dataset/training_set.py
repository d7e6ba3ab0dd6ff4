"""Opens a prepared dataset for training: on the local disk, verified, with its categories and numbers of images."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from training.dataset.coco import CocoDataset
from training.dataset.edited import read_edited_split
from training.dataset.layout import annotation_path, image_path
from training.dataset.split import SPLITS
from training.dataset.verify import Dataset, download_dataset, verify_dataset
from training.errors import DataError, Transient
from training.storage.files import atomic_path, sha256_bytes
from training.storage.uri import S3_SCHEME, open_storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a config must fit: the categories in the order of their ids, and the number of images of each split."""

    classes: tuple[str, ...]
    images: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """A verified local dataset. `digest` covers all its bytes; it is the manifest's unless COCO files were edited."""

    uri: str
    digest: str
    facts: DatasetFacts
    image_folders: Mapping[str, Path]  # by split
    annotation_files: Mapping[str, Path]  # by split; COCO

    def shortened(self, folder: Path, *, pages: int) -> "TrainingSet":
        """For a demo: the dataset with only the `pages` pages of each split that have most annotations."""
        files = {}
        images = {}
        for split in SPLITS:
            content = _read_coco(self.annotation_files[split])
            counts: dict[int, int] = {}
            for annotation in content["annotations"]:
                counts[annotation["image_id"]] = counts.get(annotation["image_id"], 0) + 1
            chosen = sorted(content["images"], key=lambda image: (-counts.get(image["id"], 0), image["id"]))[:pages]
            identifiers = {image["id"] for image in chosen}
            content["images"] = chosen
            content["annotations"] = [item for item in content["annotations"] if item["image_id"] in identifiers]
            files[split] = folder / f"{split}.json"
            with atomic_path(files[split]) as temporary:  # other ranks may read it
                temporary.write_text(json.dumps(content))
            images[split] = len(chosen)
        return replace(self, facts=replace(self.facts, images=images), annotation_files=files)


def open_training_set(uri: str, work_dir: Path) -> TrainingSet:
    """Opens the dataset at a path or s3://, which is downloaded to `work_dir`, and checks it against its manifest.

    COCO files that people edited since are checked and used, and change the dataset's digest. Raises NotFound if there
    is no dataset, DataError if it is incomplete, altered or has an empty split.
    """
    if uri.startswith(S3_SCHEME):
        folder = work_dir / "dataset"
        dataset = download_dataset(uri, folder)
    else:
        folder = Path(uri).absolute()
        dataset = verify_dataset(open_storage(folder))
    files = {split: folder / split / f"{split}.json" for split in SPLITS}
    for split in dataset.edited:
        files[split] = _normalised(dataset, split, uri, folder, work_dir / "edited")
    contents = {split: _read_coco(files[split]) for split in SPLITS}
    classes = {_classes(content, files[split]) for split, content in contents.items()}
    if len(classes) != 1:
        raise DataError(f"The splits of {uri} have different categories; prepare the dataset again.")
    for split, content in contents.items():
        if not content["images"]:
            raise DataError(f"The {split} split of {uri} has no images; add documents and prepare the dataset again.")
    if not contents["train"]["annotations"]:
        raise DataError(f"The train split of {uri} has no annotations: there is nothing to learn.")
    images = {split: len(content["images"]) for split, content in contents.items()}
    return TrainingSet(
        uri=uri.rstrip("/") if uri.startswith(S3_SCHEME) else str(folder),
        digest=dataset.manifest.digest,
        facts=DatasetFacts(classes=classes.pop(), images=images),
        image_folders={split: folder / split / "images" for split in SPLITS},
        annotation_files=files,
    )


def _normalised(dataset: Dataset, split: str, uri: str, folder: Path, target: Path) -> Path:
    """Writes the split's edited COCO file to `target` in the form that training reads; the dataset stays unchanged."""
    manifest = dataset.manifest
    entries = {file.path: file for file in manifest.files}
    key, prefix = annotation_path(split), image_path(split)
    sizes = {}
    for path in entries:
        if path.startswith(prefix):
            with Image.open(folder / path) as image:
                sizes[path.removeprefix(prefix)] = image.size
    where, data = open_storage(uri).uri(key), (folder / key).read_bytes()
    if sha256_bytes(data) != entries[key].sha256:
        raise Transient(f"{where} was changed while it was read; try again.")
    before = manifest.splits.get(split)
    edited = read_edited_split(data, where, sizes, before.unlabelled if before else ())
    target.mkdir(parents=True, exist_ok=True)
    normalised = target / f"{split}.json"
    with normalised.open("w", encoding="utf-8") as file:
        file.writelines(CocoDataset(edited.pages).pieces())

    logger.warning(
        "the %s split was edited after preprocess: %d annotations on %d pages (manifest: %d on %d); digest %s",
        split,
        sum(len(page.boxes) for page in edited.pages),
        len(edited.pages),
        sum(before.annotations.values()) if before else 0,
        len(sizes),
        manifest.digest,
    )
    if edited.repeated:
        logger.warning("%d annotations of the %s split are duplicates and are ignored", edited.repeated, split)
    empty = [page.file_name for page in edited.pages if not len(page.boxes)]
    emptied = [name for name in empty if before and name not in before.unlabelled]
    if emptied:
        logger.warning(
            "%d pages of the %s split, such as %s, had labels after preprocess and are listed without any in %s; put "
            "their annotations back if that is a mistake",
            len(emptied),
            split,
            emptied[0],
            where,
        )
    if edited.left_out:
        logger.warning(
            "%d labelled pages of the %s split, such as %s, are not listed in %s and not trained on; if that is a "
            "mistake, export with Download COCO, and list pages without tables among the images",
            len(edited.left_out),
            split,
            edited.left_out[0],
            where,
        )
    return normalised


def _read_coco(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        if all(isinstance(content[name], list) for name in ("images", "annotations", "categories")):
            return dict(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no COCO file: {error!r}.") from error
    raise DataError(f"{path} is no COCO file: images, annotations and categories must be lists.")


def _classes(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Category names in the order of the file, which is the order of the network's outputs."""
    try:
        return tuple(str(item["name"]) for item in content["categories"])
    except (KeyError, TypeError) as error:
        raise DataError(f"The categories of {path} cannot be read: {error!r}.") from error
