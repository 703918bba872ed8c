"""Encodings: which are accepted of all that Python knows, and that a file may be read from any line on."""

import encodings as python_encodings
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.requests.uploads import parse_upload
from chalicelib.core.errors import InvalidRequest
from chalicelib.reading.encodings import needs_transcoding, python_name, to_utf8


def names(text: str) -> list[str]:
    return text.split()


UNICODE = names("utf_8 utf_8_sig utf_16 utf_16_le utf_16_be utf_32 utf_32_le utf_32_be")
SINGLE_BYTES = names(
    """
    ascii charmap cp037 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256
    cp1257 cp1258 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861
    cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp875 hp_roman8 iso8859_1 iso8859_10 iso8859_11 iso8859_13
    iso8859_14 iso8859_15 iso8859_16 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7
    iso8859_8 iso8859_9 koi8_r koi8_t koi8_u kz1048 latin_1 mac_arabic mac_croatian mac_cyrillic mac_farsi
    mac_greek mac_iceland mac_latin2 mac_roman mac_romanian mac_turkish palmos ptcp154 tis_620
    """
)
SEVERAL_BYTES = names(
    """
    big5 big5hkscs cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk johab
    shift_jis shift_jis_2004 shift_jisx0213
    """
)
REFUSED = names(
    """
    base64_codec bz2_codec hex_codec hz idna iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004
    iso2022_jp_3 iso2022_jp_ext iso2022_kr mbcs oem punycode quopri_codec raw_unicode_escape
    rot_13 undefined unicode_escape utf_7 uu_codec zlib_codec
    """
)
ACCEPTED = [*UNICODE, *SINGLE_BYTES, *SEVERAL_BYTES]


def test_of_the_encodings_that_python_knows_these_are_accepted() -> None:
    known = {module.name for module in pkgutil.iter_modules(python_encodings.__path__)} - {"aliases"}
    newer = {it for it in known if it.startswith("_")}  # helpers of other versions of Python
    assert {*ACCEPTED} == {name for name in known if python_name(name) is not None}
    assert {*ACCEPTED, *REFUSED} >= known - newer


@pytest.mark.parametrize("name", [*REFUSED, "utf-7", "IDNA", "no-such", "", "utf-8\0", "ütf", "x" * 500])
def test_others_are_refused_when_a_file_is_announced(name: str) -> None:
    with pytest.raises(InvalidRequest, match="must be the name of an encoding in which each character"):
        parse_upload({"filename": "a.csv", "options": {"encoding": name}}, max_size=0)


@pytest.mark.parametrize("name", [*SINGLE_BYTES, *SEVERAL_BYTES])
@given(lines=st.lists(st.text(st.characters(exclude_characters="\r\n\x85")), min_size=1, max_size=4))
def test_lines_of_an_accepted_encoding_can_be_decoded_one_by_one(name: str, lines: list[str]) -> None:
    encoded = [line.encode(name, "ignore") for line in lines]
    ending = "\n".encode(name)
    together = ending.join(encoded).decode(name)
    assert together == "\n".join(line.decode(name) for line in encoded)


@pytest.mark.parametrize("name", ACCEPTED)
@given(text=st.text(st.characters(max_codepoint=0x7F, exclude_characters="\\~")))
def test_a_file_that_is_not_transcoded_is_cut_as_ascii(name: str, text: str) -> None:
    if not needs_transcoding(str(python_name(name))):
        assert to_utf8(text.encode(), name) == text.encode()
        assert text.encode().decode(name) == text
