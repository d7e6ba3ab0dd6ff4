"""Pages whose Asian fonts are not embedded, in the encodings that PDFs of Asian programs have."""

from typing import NamedTuple

from tests.support.preprocess.raw_pdf import pdf, stream

SIZE_PT = 20


class CidText(NamedTuple):
    """A text in a font that is not in the PDF. `data` are the text's codes in the encoding."""

    font: str
    collection: str
    subtype: str
    encoding: str
    data: bytes


JAPANESE, SIMPLIFIED, TRADITIONAL, KOREAN = "貸借対照", "资产负债", "資產負債", "재무상태"  # four letters each
TEXTS = {
    "EUC-H": CidText("MS-Mincho", "Japan1", "CIDFontType2", "EUC-H", JAPANESE.encode("euc_jp")),
    "90ms-RKSJ-H": CidText("MS-Gothic", "Japan1", "CIDFontType2", "90ms-RKSJ-H", JAPANESE.encode("cp932")),
    # ISO-2022-JP without its escape sequences.
    "H": CidText("Ryumin-Light", "Japan1", "CIDFontType0", "H", JAPANESE.encode("iso2022_jp")[3:-3]),
    # Numbers of the collection's glyphs.
    "Identity-H": CidText(
        "GothicBBB-Medium", "Japan1", "CIDFontType0", "Identity-H", bytes.fromhex("04650466046704b0")
    ),
    "GBK-EUC-H": CidText("SimSun", "GB1", "CIDFontType2", "GBK-EUC-H", SIMPLIFIED.encode("gbk")),
    "UniGB-UCS2-H": CidText("STSong-Light", "GB1", "CIDFontType0", "UniGB-UCS2-H", SIMPLIFIED.encode("utf-16-be")),
    "ETen-B5-H": CidText("MingLiU", "CNS1", "CIDFontType2", "ETen-B5-H", TRADITIONAL.encode("big5")),
    "UniCNS-UCS2-H": CidText("MSung-Light", "CNS1", "CIDFontType0", "UniCNS-UCS2-H", TRADITIONAL.encode("utf-16-be")),
    "KSCms-UHC-H": CidText("HYSMyeongJo-Medium", "Korea1", "CIDFontType0", "KSCms-UHC-H", KOREAN.encode("cp949")),
    "UniKS-UTF16-H": CidText("HYSMyeongJoStd", "Korea1", "CIDFontType0", "UniKS-UTF16-H", KOREAN.encode("utf-16-be")),
}
# The glyphs' numbers are those of a font that is not there, so nobody can know the letters.
UNKNOWABLE = CidText("MS-PGothic", "Identity", "CIDFontType2", "Identity-H", bytes.fromhex("04650466046704b0"))


def page_in(text: CidText) -> bytes:
    """A PDF of one page that shows the text at (40, 700) in a font without embedding it."""
    name, collection, subtype, encoding = (part.encode() for part in text[:4])
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F 5 0 R >> >> >>",
        stream(b"BT /F %d Tf 40 700 Td <%s> Tj ET" % (SIZE_PT, text.data.hex().encode())),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /%s /DescendantFonts [6 0 R] >>" % (name, encoding),
        b"<< /Type /Font /Subtype /%s /BaseFont /%s /DW 1000 /FontDescriptor 7 0 R "
        b"/CIDSystemInfo << /Registry (Adobe) /Ordering (%s) /Supplement 2 >> >>" % (subtype, name, collection),
        b"<< /Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 880 "
        b"/Descent -120 /CapHeight 700 /StemV 80 >>" % name,
    )
