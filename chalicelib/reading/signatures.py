"""Kinds of files that Sluice does not read, recognised by their first bytes, each with a sentence.

A signature holds a byte that no text has, or is so long that no table begins with it: a CSV file whose first
column is called `PAR1` or `%PDF` is CSV.
"""

import re

from chalicelib.core.errors import JobFailed

_TAR_HEADER = 512  # bytes
_TAR_CHECKSUM = slice(148, 156)

_OTHER_KINDS = tuple(  # (signature, sentence)
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (
            rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "The file is an old Excel workbook (.xls). Save the sheet as CSV UTF-8 and upload that.",
        ),
        (rb"%PDF-[12]\.[0-9]", "The file is a PDF document. Upload the data as CSV or JSON."),
        (rb"\{\\rtf[0-9]", "The file is a document in Rich Text Format. Upload the data as CSV or JSON."),
        # a Thrift structure whose first field is a number; with encrypted columns, a length below 16 MiB
        (rb"PAR1(?:\x15|.{3}\0)|PARE.{3}\0", "The file is in Parquet format. Upload CSV or JSON."),
        (rb"ORC.{0,32}?\0", "The file is in ORC format. Upload CSV or JSON."),
        (rb"Obj\x01.{0,200}?avro\.", "The file is in Avro format. Upload CSV or JSON."),
        (rb"ARROW1\0\0|\xff\xff\xff\xff.{3}\0\x10\0\0\0", "The file is in Arrow format. Upload CSV or JSON."),
        (rb"FEA1\0{4}", "The file is in Feather format. Upload CSV or JSON."),
        (rb"\x89HDF\r\n\x1a\n", "The file is in HDF5 format. Upload CSV or JSON."),
        (rb"\x93NUMPY", "The file is a NumPy array. Upload CSV or JSON."),
        (rb"\$FL[23]@\(#\) ", "The file is in SPSS format. Upload CSV or JSON."),
        (rb"<stata_dta><header><release>", "The file is in Stata format. Upload CSV or JSON."),
        (rb"\0{12}\xc2\xea\x81\x60", "The file is in SAS format. Upload CSV or JSON."),
        (rb"SQLite format 3\0", "The file is an SQLite database. Export its tables as CSV or JSON."),
        (
            rb"\0\x01\0\0Standard (?:Jet|ACE) DB\0",
            "The file is an Access database. Export its tables as CSV or JSON.",
        ),
        (rb"\x89PNG\r\n\x1a\n", "The file is an image (PNG). Upload data as CSV or JSON."),
        (rb"\xff\xd8\xff[\xc0-\xfe]", "The file is an image (JPEG). Upload data as CSV or JSON."),
        (rb"GIF8[79]a.{0,6}?\0", "The file is an image (GIF). Upload data as CSV or JSON."),
        (rb"II\*\0|MM\0\*", "The file is an image (TIFF). Upload data as CSV or JSON."),
        (rb"RIFF.{4}WEBP", "The file is an image (WebP). Upload data as CSV or JSON."),
        (rb"\x7fELF[\x01\x02]", "The file is a program. Upload data as CSV or JSON."),
        (rb"7z\xbc\xaf\x27\x1c", "The file is a 7-Zip archive. Upload each file in it on its own."),
        (rb"Rar!\x1a\x07", "The file is a RAR archive. Upload each file in it on its own."),
    )
)
_OTHER_COMPRESSIONS = (  # (first bytes, name)
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\xff\x06\0\0sNaPpY", "Snappy"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", "LZMA"),
    (b"LZIP\x01", "lzip"),
)
_MARKUP = (  # (the beginning of a text, sentence)
    (
        re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE),
        "The file is a web page (HTML), such as an error message in place of the data. Upload CSV or JSON.",
    ),
    (re.compile(rb"<\?xml\s"), "The file is an XML document. Upload the data as CSV or JSON."),
)


def refuse_other_kinds(head: bytes) -> None:
    """Raise JobFailed for a file that, by the bytes of its head, is of a kind that Sluice does not read."""
    for signature, sentence in _OTHER_KINDS:
        if signature.match(head):
            raise JobFailed("unsupported-format", sentence)
    if _is_tar(head):
        raise JobFailed("unsupported-format", "The file is a tar archive. Upload each file in it on its own.")
    for magic, name in _OTHER_COMPRESSIONS:
        if head.startswith(magic):
            raise JobFailed(
                "unsupported-compression",
                f"The file is compressed with {name}, which Sluice does not read. Use gzip or zstd.",
            )


def refuse_markup(text: bytes) -> None:
    """Raise JobFailed for a text that is a web page or an XML document."""
    for beginning, sentence in _MARKUP:
        if beginning.match(text):
            raise JobFailed("unsupported-format", sentence)


def _is_tar(head: bytes) -> bool:
    """Return whether the checksum of a tar header fits (POSIX ustar): older archives have no signature."""
    header = head[:_TAR_HEADER]
    digits = header[_TAR_CHECKSUM].strip(b"\0 ")
    if len(header) < _TAR_HEADER or not re.fullmatch(rb"[0-7]{1,8}", digits):
        return False
    blanked = header[: _TAR_CHECKSUM.start] + b" " * 8 + header[_TAR_CHECKSUM.stop :]
    return b"\0" in header and sum(blanked) == int(digits, 8)
