"""What a tool's export makes of a split: its pages with the labels as corrected, and what has changed. Pure."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.annotations.tools.changes import PageChanges, page_changes
from training.dataset.coco_lint import IN_THE_TOOL
from training.dataset.edited import Coco, read_edited_content
from training.dataset.image_names import ImageNames
from training.errors import DataError
from training.labels.labelled_page import LabelledPage, PackedBoxes

FEW = 3  # pages that somebody may well have emptied, however many there are
MOST_NAMES = 10  # of pages in a line


@dataclass(frozen=True)
class Corrections:
    """The split's pages to be written, and what happened to them.

    `changes` by file name has the changed pages alone. `emptied` are those that have lost all their labels, `absent`
    those that the export lacks and that keep their labels. `of_others` counts the export's pages by their other split.
    """

    pages: tuple[LabelledPage, ...]
    changes: Mapping[str, PageChanges]
    returned: int
    emptied: tuple[str, ...]
    absent: tuple[str, ...]
    of_others: Mapping[str, int]

    def summary(self, split: str) -> str:
        """What people read: the totals, the changed pages one a line, and the pages that are not as expected."""
        total = _counted(self.changes.values())
        lines = [f"{split}: {len(self.changes)} of {len(self.pages)} pages changed" + (f": {total}" if total else "")]
        lines += [f"  {name}: {_counted([changes])}" for name, changes in self.changes.items()]
        lines.append(f"{self.returned - len(self.changes)} pages came back as they were")
        if self.emptied:
            lines.append(f"{len(self.emptied)} pages have lost all their labels: {_named(self.emptied)}")
        if self.absent:
            lines.append(
                f"{len(self.absent)} labelled pages are not in the export and keep their labels: "
                f"{_named(self.absent)}; one whose labels were all deleted must be named with --emptied"
            )
        lines += [f"{count} pages of the {other} split are passed over" for other, count in self.of_others.items()]
        return "\n".join(lines)


def corrections(
    content: Coco,
    where: str,
    pages: Sequence[LabelledPage],
    sizes: Mapping[str, tuple[int, int]],
    *,
    others: Mapping[str, str],
    emptied: Container[str] = (),
) -> Corrections:
    """Compares an export with the split.

    Args:
        content: what the tool exported, and `where` its name for messages.
        pages: the split's pages as they are now.
        sizes: width and height in pixels of each image of the split, by file name.
        others: the split of each image that belongs to another one, by file name.
        emptied: file names of the pages whose labels were all deleted.

    Raises:
        DataError: the export cannot be used; the message names the page and the label, and what to do.
    """
    own, of_others = _own(content, where, sizes, others)
    found = {page.file_name: page for page in read_edited_content(own, where, sizes, remedy=IN_THE_TOOL).pages}
    before = {page.file_name: page for page in pages}
    for name, (width, height) in sizes.items():
        if name in emptied:
            if name in found and len(found[name].boxes):
                raise DataError(f"{where}: {name} has labels in the export; leave it out of --emptied.")
            found[name] = LabelledPage(name, width, height, PackedBoxes())
    labelled = [name for name in found if name in before and len(before[name].boxes)]
    lost = [name for name in labelled if not len(found[name].boxes)]
    unasked = [name for name in lost if name not in emptied]
    if len(unasked) > FEW and 2 * len(unasked) > len(labelled):
        raise DataError(
            f"{where}: {len(unasked)} of {len(labelled)} labelled pages, such as {unasked[0]}, come back without any "
            "label, as if the labels had never reached the tool; import them there, or, if you deleted them all, give "
            "--emptied the pages' names."
        )
    after, changes = [], {}
    for name in sizes:
        old, new = before.get(name), found.get(name)
        if new is not None:
            change = page_changes(old.boxes if old else (), new.boxes, max(new.width, new.height))
            if change:
                changes[name] = change
            elif old is not None:
                new = old  # with its labels in their order
        page = new or old
        if page is not None:
            after.append(page)
    return Corrections(
        pages=tuple(after),
        changes=changes,
        returned=len(found),
        emptied=tuple(lost),
        absent=tuple(name for name, page in before.items() if name not in found and len(page.boxes)),
        of_others=of_others,
    )


def _own(
    content: Coco, where: str, sizes: Mapping[str, tuple[int, int]], others: Mapping[str, str]
) -> tuple[Coco, Mapping[str, int]]:
    """The export without the pages of other splits, and how many these are; images under their names in the dataset."""
    names = ImageNames([*sizes, *others])
    images, theirs, passed_over = [], set(), Counter[str]()
    written: dict[str, str] = {}
    for image in content["images"]:
        given = str(image.get("file_name") or image.get("path") or "")
        try:
            name = names.find(given) or given
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        if name in written:
            raise DataError(
                f"{where}: {written[name]} and {given} are both the page {name}; keep one of them{IN_THE_TOOL}."
            )
        written[name] = given
        if name in others:
            theirs.add(str(image.get("id")))
            passed_over[others[name]] += 1
        else:
            known = {key: value for key, value in image.items() if value is not None}  # sizes that a tool did not know
            images.append({**known, "file_name": name})
    annotations = [item for item in content["annotations"] if str(item.get("image_id")) not in theirs]
    return {**content, "images": images, "annotations": annotations}, passed_over


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _counted(changes: Iterable[PageChanges]) -> str:
    """`1 moved, 2 added`."""
    counts = Counter[str]()
    for change in changes:
        counts += Counter(
            moved=len(change.moved),
            added=len(change.added),
            deleted=len(change.deleted),
            relabelled=len(change.relabelled),
        )
    return ", ".join(f"{counts[kind]} {kind}" for kind in ("moved", "added", "deleted", "relabelled") if counts[kind])
