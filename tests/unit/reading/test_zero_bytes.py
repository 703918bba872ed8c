"""UTF-16 and UTF-32 without a byte-order mark: recognised in any script, and never seen in other texts."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chalicelib.reading.zero_bytes import byte_order_of, encoding_of

ENCODINGS = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]

# words as they stand in tables
SCRIPTS = {
    "Latin": ["Zoë", "Müller", "naïve", "Łódź", "São Paulo", "Đà Nẵng", "İstanbul", "Ada", "x"],
    "Cyrillic": ["имя", "Город", "Њујорк", "Київ", "щука", "Ёлкино"],
    "Greek": ["όνομα", "Αθήνα", "ψυχή"],
    "Hebrew": ["שם", "עיר", "ירושלים"],
    "Arabic": ["اسم", "مدينة", "القاهرة"],
    "Devanagari": ["नाम", "शहर", "मुंबई", "उज्जैन"],
    "Gurmukhi": ["ਨਾਮ", "ਸ਼ਹਿਰ", "ਅੰਮ੍ਰਿਤਸਰ"],
    "Gujarati": ["નામ", "શહેર", "સુરત"],
    "Malayalam": ["പേര്", "നഗരം", "കൊച്ചി"],
    "Thai": ["ชื่อ", "เมือง", "กรุงเทพ"],
    "Georgian": ["სახელი", "ქალაქი"],
    "Korean": ["이름", "도시", "서울특별시"],
    "hiragana": ["なまえ", "とし", "ひらがな", "のるにしい"],
    "katakana": ["トウキョウ", "ナマエ", "アドレス"],
    "Japanese": ["氏名", "売上", "東京都千代田区", "「品名」", "不良品"],
    "Chinese": ["姓名", "上海", "一二三", "城市", "的是不了在人有我他这中大来上国", "北京市"],
    "emoji": ["👍", "🇳🇱🇩🇪", "e\u0301"],
}
NUMBERS = ["1", "2024-05-06", "3.50", "", "-7"]
ALL_WORDS = [word for words in SCRIPTS.values() for word in words]


def tables(words: list[str]) -> st.SearchStrategy[str]:
    """Return tables that have a header, and words or numbers in their cells."""
    cells = st.sampled_from([*words, *NUMBERS]) | st.lists(
        st.sampled_from(words), min_size=1, max_size=3
    ).map(" ".join)

    @st.composite
    def made(draw: st.DrawFn) -> str:
        width = draw(st.integers(2, 4))
        delimiter, ending = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))
        header = draw(st.lists(st.sampled_from(words), min_size=width, max_size=width))
        rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=6, max_size=20))
        text = "".join(delimiter.join(row) + ending for row in [header, *rows])
        return text if draw(st.booleans()) else text[: -len(ending)]

    return made()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("script", SCRIPTS)
@settings(max_examples=15, derandomize=True)
@given(data=st.data())
def test_a_table_in_any_script_is_recognised(script: str, encoding: str, data: st.DataObject) -> None:
    text = data.draw(tables(SCRIPTS[script]))
    assert encoding_of(text.encode(encoding)) == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(derandomize=True)
@given(text=tables(ALL_WORDS), tail=st.binary(max_size=1))
def test_a_table_in_many_scripts_is_recognised(encoding: str, text: str, tail: bytes) -> None:
    assert encoding_of(text.encode(encoding) + tail) == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["id", "a", "a,b", "{}", '{"名前":"東京"}\n', "[\n]"])
def test_very_short_texts_are_recognised(text: str, encoding: str) -> None:
    assert encoding_of(text.encode(encoding)) == encoding
    assert encoding_of(text.encode(encoding) * 5_000) == encoding


EIGHT_BITS = ["utf-8", "cp1252", "cp1251", "koi8-r", "cp866", "shift_jis", "gb18030", "euc_kr", "big5"]


@pytest.mark.parametrize("encoding", EIGHT_BITS)
@settings(max_examples=40)
@given(text=tables(ALL_WORDS), places=st.lists(st.integers(0, 1 << 16), min_size=1, max_size=6))
def test_a_text_of_bytes_with_zeros_in_its_records_is_not(
    encoding: str, text: str, places: list[int]
) -> None:
    header, _, rows = text.partition("\n")
    data = rows.encode(encoding, "ignore") * 4
    for place in places:
        at = place % (len(data) + 1)
        data = data[:at] + b"\0" + data[at:]
    assert encoding_of(b"name,city\n" + data) is None
    plain = header.encode(encoding, "ignore") + b"\n"
    if encoding == "utf-8" or plain.isascii():
        assume(plain.strip() and (len(plain) > 4 or not data.startswith(b"\0")))
        assert encoding_of(plain + data) is None


@pytest.mark.parametrize("encoding", EIGHT_BITS)
@settings(max_examples=40)
@given(text=tables(ALL_WORDS), at=st.integers(0, 8), zeros=st.integers(1, 3))
def test_a_text_of_bytes_with_zeros_in_its_header_is_not(
    encoding: str, text: str, at: int, zeros: int
) -> None:
    data = b"name,city\n" + text.encode(encoding, "ignore") * 5
    assume(len(data) > 100)
    assert encoding_of(data[:at] + b"\0" * zeros + data[at:]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a,b\n1,2\n",
        b"a,b\n\0,2\n",
        b"a,b\n1,\0\n" * 100,
        b"\0" * 1000,
        b"a\0\0\0\0\0\0\0b\0\0\0\0\0\0\0" * 100,  # columns of fixed width
        bytes(range(256)) * 16,
        b"x" * (1 << 14) + b"a\0" * 100,
    ],
)
def test_other_bytes_are_not(data: bytes) -> None:
    assert encoding_of(data) is None


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
@given(text=tables(ALL_WORDS))
def test_the_byte_order_is_found_where_the_encoding_is_known(name: str, order: str, text: str) -> None:
    assert byte_order_of(text.encode(f"{name}-{order}"), name) == order


def test_nothing_shows_the_byte_order_of_a_text_without_ascii() -> None:
    assert byte_order_of("".encode("utf-16-le"), "utf-16") is None
    assert byte_order_of("山田太郎".encode("utf-16-be"), "utf-16") is None
