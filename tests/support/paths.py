"""Where things are in this checkout."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HACK = REPOSITORY / "hack"
CRD = REPOSITORY / "crds" / "trainingruns.yaml"
# Real documents, laid beside the checkout where there are any; nothing of them is committed.
REAL_DOCUMENTS = REPOSITORY.parent / "shared" / "data" / "icdar2013-eu"
