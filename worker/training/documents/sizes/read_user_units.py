"""The program that `user_units.py` starts, as `read_user_units.py PDF PASSWORD`: prints the units of a PDF's pages.

Points per unit of the pages (from 0) where it is not 1, and the number of pages, as JSON. It imports nothing of this
package, so that it can be started by its path.
"""

import json
import math
import sys


def main(path: str, password: str) -> None:
    from pypdf import PdfReader  # noqa: PLC0415  # takes a tenth of a second, and few files need it

    reader = PdfReader(path)
    if reader.is_encrypted:
        reader.decrypt(password)
    pages = reader.pages
    units: dict[int, float] = {}
    for number, page in enumerate(pages):
        unit = page.get("/UserUnit", 1)
        if isinstance(unit, int | float) and unit != 1 and 0 < unit < math.inf:
            units[number] = float(unit)
    print(json.dumps({"pages": len(pages), "units": units}))


if __name__ == "__main__":
    main(*sys.argv[1:])
