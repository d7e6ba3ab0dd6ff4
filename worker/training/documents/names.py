"""How documents and their files are named: `pdfs/<name>.pdf`, `json/<name>.json`. Pure."""

import hashlib

PDF_FOLDER, JSON_FOLDER = "pdfs/", "json/"
MAX_FILE_STEM_BYTES = 200  # file systems take 255 bytes a name: this leaves room for the page and a suffix


def file_stem(name: str) -> str:
    """`name` where it is short enough for a file's name; else its beginning and a hash of it all."""
    encoded = name.encode("utf-8", errors="surrogatepass")
    if len(encoded) <= MAX_FILE_STEM_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: MAX_FILE_STEM_BYTES - len(digest) - 1].decode("utf-8", errors="ignore") + f"~{digest}"
