"""Values that were erased from a dataset, known by salted hashes only.

A value is compared in two ways: exactly, as a text in a field; and by its words, where a record cannot be
split into fields. The words of a text are its runs of letters and digits, in any case and order, so that
quotes, escapes, delimiters and the order of a date do not matter. The hash of some words is the sum of their
hashes, so that a text takes one hash for each of its words, however many values were erased.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from hmac import digest
from itertools import accumulate

from chalicelib import interruption

ERASED = "erased"  # the code of a reject
TOLD = "The record holds a value whose records were erased from the dataset. Its content is not kept."
SALT = 32  # bytes

_BETWEEN = "\x01"  # a field and its value: Postgres has no NUL in text

_BLOCK = 64  # bytes, of SHA-256
_HASH = 32
_SUMS = 1 << 8 * _HASH
_MOST_WORDS = 20  # of a value: of a longer one, the first are compared
_LONGEST = 1 << 16  # characters that are looked at: a longer text may hold anything
_LONGEST_BROKEN = 1 << 13  # of those with bytes that are not UTF-8: they are read in many encodings
_ASK_EVERY = 1000  # words

_WORD = re.compile(r"[^\W_]+")
_BROKEN = re.compile(r"\\x[89a-fA-F]")
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BYTE_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")  # as excerpts have bytes that are not text
_ESCAPE = re.compile(r"\\[nrtbf]")  # of JSON: its letter is not part of a word

_ENCODINGS = (  # that bytes which are not UTF-8 may be in, if no other was declared or detected
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-10"),
    *("iso8859-13", "iso8859-15", "iso8859-16", "koi8-r", "koi8-u", "mac_roman", "mac_latin2"),
    *("cp437", "cp850", "cp852", "cp866", "shift_jis", "gb18030", "euc_kr", "big5", "euc_jp"),
)


@dataclass(frozen=True)
class ErasedValue:
    """A value that is erased from a field."""

    field: str
    hashes: tuple[bytes, ...]  # of the ways in which it may be written
    sizes: tuple[int, ...]  # bytes of each of them: texts of other sizes need not be hashed
    words_hash: bytes | None  # of its first words; None: it has none
    words: int  # how many these are

    @classmethod
    def of(cls, salt: bytes, field: str, texts: Iterable[str]) -> "ErasedValue":
        """Return the hashes of a value, given the ways in which it may be written; as stored comes first."""
        forms = list(dict.fromkeys(texts))
        words = _words(forms[0])[:_MOST_WORDS]
        return cls(
            field,
            tuple(hash_of(salt, field, text) for text in forms),
            tuple(len(text.encode()) for text in forms),
            _sum(_hash_of_word(salt, word) for word in words).to_bytes(_HASH) if words else None,
            len(words),
        )


class ErasedValues:
    """All values that were erased from one dataset."""

    def __init__(self, salt: bytes, values: Iterable[ErasedValue]) -> None:
        self._salt = salt
        self._sizes: dict[str, set[int]] = {}
        fields: dict[str, set[bytes]] = {}
        by_words: dict[int, set[int]] = {}
        for value in values:
            fields.setdefault(value.field, set()).update(value.hashes)
            self._sizes.setdefault(value.field, set()).update(value.sizes)
            if value.words_hash is not None:
                by_words.setdefault(value.words, set()).add(int.from_bytes(value.words_hash))
        self._fields = fields
        self._by_words = by_words

    @property
    def fields(self) -> KeysView[str]:
        """The fields from which values were erased."""
        return self._fields.keys()

    def sizes(self, field: str) -> list[int]:
        """Return the sizes, in bytes of UTF-8, that texts erased from the field have."""
        return sorted(self._sizes[field])

    def among(self, field: str, texts: Iterable[bytes]) -> list[bool]:
        """Return for each text, in UTF-8, whether it was erased from the field, which is one of ``fields``.

        Two calls of SHA-256 take a third of the time of one of :func:`hash_of`.
        """
        hashes = self._fields[field]
        inner, outer = hmac_pads(self._salt)
        inner += f"{field}{_BETWEEN}".encode()
        return [sha256(outer + sha256(inner + text).digest()).digest() in hashes for text in texts]

    def may_be_in(self, text: str, encoding: str = "utf-8") -> bool:
        """Return whether the text has the words of an erased value next to each other, in any order.

        So also for another field, and for some other text of these words: it is for text that cannot be split
        into fields. Of a very long text it is not known, so it may. Bytes that are not UTF-8 are escaped in
        it: they are read in ``encoding``, that of the file, and in the usual ones. Raises Interrupted.
        """
        if not self._by_words:
            return False
        if len(text) > (_LONGEST_BROKEN if _BROKEN.search(text) else _LONGEST):
            return True
        return any(self._are_in(_words(reading)) for reading in _readings(text, encoding))

    def _are_in(self, words: list[str]) -> bool:
        asking = interruption.asking(words, _ASK_EVERY)
        sums = list(accumulate((_hash_of_word(self._salt, word) for word in asking), initial=0))
        for count, hashes in self._by_words.items():
            interruption.check()
            if any((end - start) % _SUMS in hashes for start, end in zip(sums, sums[count:], strict=False)):
                return True
        return False


def hash_of(salt: bytes, field: str, text: str) -> bytes:
    """Return the hash of a text in a field: HMAC-SHA-256 with the dataset's salt."""
    return digest(salt, f"{field}{_BETWEEN}{text}".encode(), "sha256")


def hmac_pads(salt: bytes) -> tuple[bytes, bytes]:
    """Return what HMAC (RFC 2104) hashes before the text, and before the inner hash: Postgres has no HMAC."""
    block = salt.ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def _hash_of_word(salt: bytes, word: str) -> int:
    return int.from_bytes(digest(salt, f"{_BETWEEN}{word}".encode(), "sha256"))


def _sum(hashes: Iterable[int]) -> int:
    return sum(hashes) % _SUMS


def _words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [word.lstrip("0") or "0" if word.isdigit() else word for word in found]


def _readings(text: str, encoding: str) -> Iterator[str]:
    """Yield the text as it stands, and as its escapes and its bytes may be meant."""
    yield text
    if "\\" not in text and (encoding == "utf-8" or text.isascii()):
        return
    yield _ESCAPE.sub(" ", _UNICODE_ESCAPE.sub(_character, text))
    is_broken = _BROKEN.search(text) is not None
    if is_broken:
        for name in ("utf-8", "cp1252", encoding):  # among characters of UTF-8
            yield _BYTE_ESCAPES.sub(partial(_text, encoding=name), text)
    data = _bytes(text)
    yield from {data.decode(name, "replace") for name in (encoding, *(_ENCODINGS if is_broken else ()))}


def _bytes(text: str) -> bytes:
    """Return the bytes of a text in which those that are not UTF-8 are escaped."""
    pieces, end = list[bytes](), 0
    for escapes in _BYTE_ESCAPES.finditer(text):
        pieces += text[end : escapes.start()].encode("utf-8", "replace"), _unescaped(escapes)
        end = escapes.end()
    return b"".join([*pieces, text[end:].encode("utf-8", "replace")])


def _text(escapes: re.Match[str], encoding: str) -> str:
    return _unescaped(escapes).decode(encoding, "replace")


def _unescaped(escapes: re.Match[str]) -> bytes:
    return bytes.fromhex(escapes[0].replace("\\x", ""))


def _character(escape: re.Match[str]) -> str:
    """Return the character of an escape; of half a surrogate pair, one that is in no word."""
    return (b"\\u" + escape[1].encode()).decode("unicode_escape").encode("utf-16", "replace").decode("utf-16")
