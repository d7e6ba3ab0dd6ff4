"""Pages that a model was judged on."""

from training.geometry import Box
from training.model.worst_pages import JudgedPage

TABLE_BOX, CELL_BOX, OTHER_CELL = Box(10, 10, 110, 110), Box(20, 20, 40, 30), Box(60, 60, 80, 70)


def judged_page(name: str, *, right: int, missed: int) -> JudgedPage:
    boxes = [CELL_BOX] * 10
    return JudgedPage(
        file_name=name,
        width=200,
        height=300,
        found=boxes[:right],
        missed=boxes[:missed],
        right=boxes[:right],
        wrong=[],
    )
