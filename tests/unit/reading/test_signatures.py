"""Kinds of files that are not read: each is named, and no text is taken for one of them."""

import io
import re
import tarfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.reading.signatures import refuse_markup, refuse_other_kinds

TABLE = pa.table({"id": [1, 2], "name": ["Ada", "Zoë"]})


def parquet(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(table, target)
    return target.getvalue()


def orc(compression: str) -> bytes:
    target = io.BytesIO()
    pyarrow.orc.write_table(TABLE, target, compression=compression)
    return target.getvalue()


def arrow_file() -> bytes:
    target = io.BytesIO()
    pyarrow.feather.write_feather(TABLE, target)
    return target.getvalue()


def arrow_stream() -> bytes:
    target = io.BytesIO()
    with pa.ipc.new_stream(target, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return target.getvalue()


def tar(form: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        entry = tarfile.TarInfo("people.csv")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"a,b\n"))
    return target.getvalue()


def old_tar() -> bytes:
    """Return an archive as it was written before POSIX, without a signature."""
    header = bytearray(tar(tarfile.USTAR_FORMAT)[:512])
    header[257:512] = bytes(255)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + b"a,b\n".ljust(512, b"\0")


FILES = {
    "Parquet": parquet(TABLE),
    "Parquet without rows": parquet(TABLE.slice(0, 0)),
    "Parquet with encrypted columns": b"PAR1\x30\x01\0\0" + b"\x8f" * 100,
    "ORC": orc("uncompressed"),
    "ORC, zlib": orc("zlib"),
    "Avro": b"Obj\x01\x04\x14avro.codec\x08null\x16avro.schema",
    "Arrow": arrow_file(),
    "Arrow stream": arrow_stream(),
    "Feather": b"FEA1\0\0\0\0\x01\0\0\0",
    "tar": tar(tarfile.USTAR_FORMAT),
    "tar, GNU": tar(tarfile.GNU_FORMAT),
    "tar, pax": tar(tarfile.PAX_FORMAT),
    "tar, old": old_tar(),
    "Excel workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "Rich Text": b"{\\rtf1\\ansi\\deff0 {\\fonttbl}",
    "HDF5": b"\x89HDF\r\n\x1a\n\0",
    "NumPy": b"\x93NUMPY\x01\0v\0{'descr'",
    "SPSS": b"$FL2@(#) SPSS DATA FILE",
    "Stata": b"<stata_dta><header><release>118</release>",
    "SAS": bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0\x09\xc7\x31\x8c",
    "SQLite": b"SQLite format 3\0\x10\0\x01\x01",
    "Access": b"\0\x01\0\0Standard ACE DB\0",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "GIF": b"GIF89a\x10\x02\x80\0\xf0\0\0",
    "TIFF": b"II*\0\x08\0\0\0",
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "program": b"\x7fELF\x02\x01\x01\0",
    "7-Zip": b"7z\xbc\xaf\x27\x1c\0\x04",
    "RAR": b"Rar!\x1a\x07\x01\0",
}
COMPRESSIONS = {
    "LZ4": bytes(pa.Codec("lz4").compress(b"a,b\n" * 100, asbytes=True)),
    "Snappy": b"\xff\x06\0\0sNaPpY",
    ".Z": b"\x1f\x9d\x90a",
    "lzip": b"LZIP\x01\x0c",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_refused_by_name(name: str) -> None:
    with pytest.raises(JobFailed, match=re.split(", | with| stream", name)[0]) as failure:
        refuse_other_kinds(FILES[name])
    assert failure.value.code == "unsupported-format"


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_compression_that_is_not_read_is_refused_by_name(name: str) -> None:
    with pytest.raises(JobFailed, match=name) as failure:
        refuse_other_kinds(COMPRESSIONS[name])
    assert failure.value.code == "unsupported-compression"


BEGINNINGS = [
    *("PAR1", "PARE", "ORC", "Obj", "ARROW1", "FEA1", "%PDF", "%PDF-", "{\\rtf", "$FL2", "SQLite format 3"),
    *(
        "GIF89a",
        "II*",
        "MM",
        "RIFF",
        "7z",
        "Rar!",
        "BZh9",
        "PK",
        "LZIP",
        "NUMPY",
        "Standard ACE DB",
        "<stata_dta>",
    ),
]


@given(
    st.sampled_from(BEGINNINGS),
    st.sampled_from([*",;\t|\n\x01", "\r\n", ".csv,", '",']),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_a_text_that_begins_with_the_name_of_another_kind_is_text(name: str, after: str, rest: str) -> None:
    assume((name, after) != ("LZIP", "\x01"))  # that is lzip
    data = f"{name}{after}{rest}"
    for encoding in ("utf-8", "utf-16"):
        refuse_other_kinds(data.encode(encoding))
    refuse_markup(data.encode())


@given(st.text(min_size=512).map(str.encode) | st.binary(min_size=512, max_size=600))
def test_no_other_file_is_a_tar_archive(data: bytes) -> None:
    try:
        refuse_other_kinds(data[:148] + b"0001234\0" + data[156:])
    except JobFailed as failure:
        assert "tar archive" not in failure.message


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html>\n<html lang=en><title>404</title>",
        "<!doctype  HTML PUBLIC '-//W3C//DTD'>",
        "<HTML>\n<head>",
        "<html xmlns:o='urn:schemas-microsoft-com:office:office'>",
        '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    ],
)
def test_a_web_page_and_xml_are_refused(text: str) -> None:
    with pytest.raises(JobFailed, match=r"web page|XML") as failure:
        refuse_markup(text.encode())
    assert failure.value.code == "unsupported-format"


@pytest.mark.parametrize("text", ["<htmlish>,b\n", "<name>,<city>\n", "html,xml\n", "<?xmlish,b\n", "<>\n"])
def test_other_texts_in_angle_brackets_are_not(text: str) -> None:
    refuse_markup(text.encode())
