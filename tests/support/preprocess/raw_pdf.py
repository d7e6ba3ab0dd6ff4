"""PDFs written byte by byte: what no library would write, such as damaged streams."""

import zlib

RESOURCES = (
    b"/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> /XObject << /I 5 0 R >> >>"
)


def pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    content, places = b"%PDF-1.5\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    content += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    start = content.rindex(b"xref\n0 ")
    return content + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, start)


def raw_stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream with `data` as it is; `entries` must name its filter."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream with `data` compressed."""
    return raw_stream(zlib.compress(data, 9), b"/Filter /FlateDecode " + entries)


def one_page(content: bytes, image: bytes = b"null") -> bytes:
    """A PDF of one A4 page, which calls the font Helvetica /F and the object `image` /I."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s >>" % RESOURCES,
        stream(content),
        image,
    )
