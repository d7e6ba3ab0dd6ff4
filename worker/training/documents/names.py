"""How documents and their files are named: `pdfs/<name>.pdf`, `json/<name>.json`. Pure."""

import hashlib
import unicodedata

PDF_FOLDER, JSON_FOLDER = "pdfs/", "json/"
MAX_FILE_STEM_BYTES = 200  # file systems take 255 bytes a name: this leaves room for the page and a suffix


def document_name(file_name: str, suffix: str) -> str:
    """The name of the document of a file, which ends with `suffix`, in composed Unicode (NFC).

    macOS decomposes accents in file names, other systems do not.
    """
    return unicodedata.normalize("NFC", file_name[: -len(suffix)])


def is_writable(name: str) -> bool:
    """Whether a name can be written down: control characters, and what is no Unicode, cannot; `escaped` can."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def is_blank(name: str) -> bool:
    """Whether a name says nothing: dots and spaces alone."""
    return not name.strip(". ")


def escaped(name: str) -> str:
    """Any name as it can be written down."""
    return name.encode("unicode_escape").decode()


def file_stem(name: str) -> str:
    """`name` where it is short enough for a file's name; else its beginning and a hash of it all."""
    encoded = name.encode("utf-8", errors="surrogatepass")
    if len(encoded) <= MAX_FILE_STEM_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: MAX_FILE_STEM_BYTES - len(digest) - 1].decode("utf-8", errors="ignore") + f"~{digest}"
