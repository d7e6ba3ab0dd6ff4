"""How documents and their files are named: `pdfs/<name>.pdf`, `json/<name>.json`. Pure."""

import hashlib
import unicodedata

PDF_FOLDER, JSON_FOLDER = "pdfs/", "json/"
MAX_FILE_STEM_BYTES = 200  # file systems allow 255 bytes a name: this leaves room for the page number and a suffix


def document_name(file_name: str, suffix: str) -> str:
    """The document's name: `file_name` without its `suffix`, in composed Unicode (NFC).

    Without NFC, names would differ between macOS, which decomposes accents in file names, and other systems.
    """
    return unicodedata.normalize("NFC", file_name[: -len(suffix)])


def is_writable(name: str) -> bool:
    """Whether a name can be written to files: no control characters, valid Unicode. Other names need `escaped`."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def is_blank(name: str) -> bool:
    """Whether a name is empty or has only dots and spaces."""
    return not name.strip(". ")


def escaped(name: str) -> str:
    """The name in ASCII, with escapes for all other characters: any name can be written this way."""
    return name.encode("unicode_escape").decode()


def file_stem(name: str) -> str:
    """The name if it is short enough for a file; otherwise its beginning and a hash of the whole name."""
    encoded = name.encode("utf-8", errors="surrogatepass")
    if len(encoded) <= MAX_FILE_STEM_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: MAX_FILE_STEM_BYTES - len(digest) - 1].decode("utf-8", errors="ignore") + f"~{digest}"
