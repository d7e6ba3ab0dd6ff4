"""Finds the base weights that ship with the worker: `builtin://<name>` is `<name>.pth` beside this module.

The manifest `<name>.json` holds the file's sha256 and says how the weights were made. `make base-weights` writes both.
"""

import json
from pathlib import Path

from training.errors import DataError, NotFound
from training.storage.files import sha256_file

SCHEME = "builtin://"
FOLDER = Path(__file__).parent


def located(uri: str) -> str:
    """The path of the weights that `builtin://<name>` means; any other address as it is.

    Raises NotFound for a name that does not ship, DataError if the file is not the one that its manifest names.
    """
    if not uri.startswith(SCHEME):
        return uri
    known = {f"{SCHEME}{path.stem}": path for path in sorted(FOLDER.glob("*.pth"))}
    if uri not in known:
        names = f"there are {', '.join(known)}" if known else "there are none"
        raise NotFound(f"--load-from {uri} does not ship with this worker ({names}); name one of these, or a file.")
    path = known[uri]
    manifest = path.with_suffix(".json")
    if not manifest.is_file() or json.loads(manifest.read_bytes())["sha256"] != sha256_file(path):
        raise DataError(f"{uri} is not the file that its manifest {manifest} names; install the worker again.")
    return str(path)
