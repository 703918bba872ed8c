"""Rank the encodings that bytes may be in which are not UTF-8, to tell people how they would read.

Nothing is read by this ranking: it makes suggestions. Each character that is not ASCII is scored by whether
such characters stand in such places in texts: a small letter among small letters of its script, a dash
between blanks. Words that stand in one file are ranked together; a message shows one of them.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain, islice

_MOST_SHOWN = 3  # readings in a message
_MOST_WORDS = 50  # that are ranked together
_LONGEST_WORD = 24  # bytes
_FIRST_BEYOND_ASCII = 0x80
_NEAR = 400  # bytes before and after the first one that is not UTF-8
_BEFORE = 8  # bytes of a long word before the first one that is not ASCII
_WORD = re.compile(rb"[^\0-\x20,;\"\x7f]*[\x80-\xff][^\0-\x20,;\"\x7f]*")

_CANDIDATES = (  # the more usual ones first: of equal readings, the first is named
    *(
        "cp1252",
        "cp1250",
        "cp1251",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "iso8859-15",
        "iso8859-2",
    ),
    *("koi8-r", "mac_roman", "cp437", "cp850", "cp852", "cp866"),
    *("shift_jis", "gb18030", "euc_kr", "big5", "euc_jp"),
)
_USUAL_LETTERS = {
    *"éèêëàâäáãåçñóòôöõúùûüíìîïßæøœšžčćřěýůąęłńśźżőűğışİŞĞıāēīūÄÖÜÅÉÈÇÑØÆŠŽČŁŚŻ",
    *"оеаинтсрвлкмдпуявОАИСВПКМ",
    *"αοιετσνηρπκμλάέόίήύώςΑΕΚΠΜΘΓ",
    *"ויהלאםרבתשנ",
    *"اليمونتربةعدسفه",
}
_UNUSUAL_LETTERS = {*"ðþÐÞÝªºÿŸµƒˆ"}
_COMMON_CJK = {  # for each encoding, the first bytes of the characters that are in common use
    "shift_jis": range(0x88, 0x99),
    "euc_jp": range(0xB0, 0xD0),
    "gb18030": range(0xB0, 0xD8),
    "big5": range(0xA4, 0xC7),
    "euc_kr": range(0xB0, 0xC9),
}
_SCRIPTS_OF_WORDS = {"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"}
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_DASHES = "\N{EN DASH}\N{EM DASH}"
_OPENING = "“„«\N{LEFT SINGLE QUOTATION MARK}\N{SINGLE LOW-9 QUOTATION MARK}"
_CLOSING = "”»"
_WITHIN_WORDS = f"{_APOSTROPHES}{_DASHES}{_OPENING}{_CLOSING}-.()/&"
_IMPOSSIBLE = -4.0  # the score of a word that cannot be decoded
_IMPLAUSIBLE = -3.5  # readings below it are not shown
_MOST_RANKED = 8
_SHORT = 100  # bytes of a record
_MOST_KNOWN = 1000


class Advisor:
    """Advise about records that are not UTF-8: those of a block are ranked together, once."""

    def __init__(self) -> None:
        self._ranking: tuple[str, ...] = ()
        self._known: dict[bytes, str] = {}  # advice about short records: some files repeat them

    def learn(self, records: Iterable[bytes]) -> None:
        """Rank the encodings that the records may be in, unless others were ranked before."""
        if not self._ranking:
            self._ranking = rank(records)
            self._known.clear()

    def advise(self, record: bytes) -> str:
        """Return :func:`advice` about the record."""
        if (known := self._known.get(record)) is not None:
            return known
        told = advice(record, self._ranking)
        if len(record) <= _SHORT and len(self._known) < _MOST_KNOWN:
            self._known[record] = told
        return told


def rank(records: Iterable[bytes]) -> tuple[str, ...]:
    """Return the likely encodings of records that are not valid UTF-8, the likeliest first."""
    words = [*islice(chain.from_iterable(map(_words, records)), _MOST_WORDS)]
    if not words:
        return ()
    scores = {name: sum(_score(word, name) for word in words) / len(words) for name in _CANDIDATES}
    likely = [name for name in _CANDIDATES if scores[name] > _IMPLAUSIBLE]
    return tuple(sorted(likely, key=lambda name: -scores[name]))[:_MOST_RANKED]


def advice(record: bytes, ranking: Sequence[str]) -> str:
    """Return sentences about how the record reads in encodings, which are in order; empty if none is likely.

    They have a bounded length, and printable characters only.
    """
    word = next(_words(record), None)
    return "" if word is None else _advice(word, tuple(ranking))


@lru_cache(maxsize=1024)
def _advice(word: bytes, ranking: tuple[str, ...]) -> str:
    readings: dict[str, str] = {}
    for name in ranking:
        reading = _decode(word, name)
        if reading is not None and reading.isprintable():
            readings.setdefault(reading, name)
        if len(readings) == _MOST_SHOWN:
            break
    if not readings:
        return ""
    likeliest = next(iter(readings.values()))
    texts = ", ".join(f"in {name} “{reading}”" for reading, name in readings.items())
    return f" Part of it reads {texts}. Declare the encoding, such as encoding={likeliest}, in the options."


def _words(record: bytes) -> Iterator[bytes]:
    """Yield the words that are not valid UTF-8; none if others hold UTF-8, as the record is damaged then."""
    try:
        record.decode()
    except UnicodeDecodeError as error:
        near = record[max(error.start - _NEAR, 0) : error.start + _NEAR]
    else:
        return
    words = [match[0] for match in _WORD.finditer(near)]
    wrong = [word for word in words if not _is_utf8(word)]
    if len(wrong) < len(words):
        return
    for word in wrong:
        start = max(next(at for at, byte in enumerate(word) if byte >= _FIRST_BEYOND_ASCII) - _BEFORE, 0)
        yield word[start : start + _LONGEST_WORD]


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(word: bytes, name: str) -> str | None:
    """Return the word in an encoding; its end may be missing if it is as long as words may be."""
    try:
        if len(word) < _LONGEST_WORD:
            return word.decode(name)
        return codecs.getincrementaldecoder(name)().decode(word)
    except UnicodeDecodeError:
        return None


def _score(word: bytes, name: str) -> float:
    """Return how likely the word is in an encoding: about 2 for a usual one, less than 0 for an odd one."""
    text = _decode(word, name)
    if text is None:
        return _IMPOSSIBLE
    scores = [
        _letter_score(before, char, after, name)
        for before, char, after in zip(f" {text}", text, f"{text[1:]} ", strict=False)
        if char > "\x7f"
    ]
    return sum(scores) / len(scores) if scores else _IMPOSSIBLE


def _letter_score(before: str, char: str, after: str, encoding: str) -> float:
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co", "Cs", "Cf"):
        return _IMPOSSIBLE
    script = _script(char)
    if script in _SCRIPTS_OF_WORDS:
        is_mixed = (before + after).isascii() and (before.isalpha() or after.isalpha())
        return _cjk_score(char, script, encoding) - 1.5 * is_mixed
    if not char.isalpha():
        return 0.0 if category == "Mn" else _sign_score(before, char, after)
    score = 1.0 + (char in _USUAL_LETTERS) - (char in _UNUSUAL_LETTERS)
    for neighbour in (before, after):
        if neighbour.isalpha() and _script(neighbour) != script:
            score -= 3
        elif script == "LATIN" and neighbour > "\x7f":  # most letters of a Latin word are ASCII
            score -= 0.8
        elif not neighbour.isspace() and not neighbour.isalpha() and neighbour not in _WITHIN_WORDS:
            score -= 1
    if char.isupper() and before.islower():
        score -= 3
    if char.islower() and before.isupper() and after.isupper():
        score -= 2
    return score


def _sign_score(before: str, char: str, after: str) -> float:
    """Return the score of a punctuation mark or a symbol."""
    within = before.isalpha() and after.isalpha()
    if char in _APOSTROPHES:
        return 1.5 if before.isalpha() else 0.0
    if char in f"{_DASHES}€£•…":
        return -2.0 if within else 1.0
    if char in _OPENING:
        return 1.0 if after.isalnum() and not before.isalnum() else -2.0
    if char in _CLOSING:
        return 1.0 if before.isalnum() and not after.isalnum() else -2.0
    if char in "°\xa0²³§®©™":
        return -2.0 if within else 0.5
    return -2.5 if before.isalpha() or after.isalpha() else -1.5


def _cjk_score(char: str, script: str, encoding: str) -> float:
    if encoding not in _COMMON_CJK:
        return _IMPOSSIBLE
    is_japanese = encoding in ("shift_jis", "euc_jp")
    if script in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"):
        return 2.5 if is_japanese else -0.5
    if script == "HALFWIDTH":
        return -1.5
    try:
        first = char.encode(encoding)[0]
    except UnicodeEncodeError:
        return _IMPOSSIBLE
    is_common = first in _COMMON_CJK[encoding] and (script == "HANGUL") == (encoding == "euc_kr")
    return 1.6 + (script == "HANGUL") * 0.4 if is_common else -0.8


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "NONE").split()[0]
