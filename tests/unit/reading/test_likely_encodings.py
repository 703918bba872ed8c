"""How bytes that are not UTF-8 would read: the right encoding is among those that a message names."""

# ruff: noqa: RUF001 - letters that look alike are the matter here

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.reading.likely_encodings import Advisor, advice, rank

TEXTS = {
    "cp1252": "Zoë Müller Straße José Paulo-São Ærø Garçon naïve Ñandú d’abord Größe Åse Übung",
    "cp1250": "Łódź Kraków Wałęsa Dvořák Žižkov Šárka Győr Szőke Gdańsk Příbram Świętokrzyskie Řehoř",
    "cp1251": "Москва Иванов Сергей Екатерина Київ Пётр имя Товар склад Ёлкин МОСКВА",
    "koi8-r": "Москва Иванов Сергей Екатерина Петров имя Товар склад Владивосток",
    "cp866": "Москва Иванов Сергей Екатерина Петров имя Товар склад Владивосток",
    "cp850": "Zoë Müller Straße José Garçon Größe Åse Düsseldorf Köln Málaga señor Bjørn",
    "mac_roman": "Zoë Müller Straße José Garçon Größe Düsseldorf Köln Málaga señor Élodie d’abord",
    "cp1253": "Αθήνα Γιώργος Παπαδόπουλος όνομα Θεσσαλονίκη",
    "cp1254": "İstanbul Şişli Çağlar Yıldız Güneş Beşiktaş Ağrı Müdür",
    "cp1255": "שלום ירושלים כהן תל-אביב משה",
    "cp1256": "القاهرة محمد أحمد مدينة شارع",
    "cp1257": "Rīga Šiauliai Jūrmala Kęstutis Žemaitija Ķekava",
    "shift_jis": "東京都 山田太郎 大阪 名前 ひらがな トウキョウ 株式会社",
    "gb18030": "北京市 上海 姓名 张伟 王小明 有限公司",
    "euc_kr": "서울특별시 김철수 이름 부산 대한민국",
    "big5": "台北市 王大明 姓名 中華民國 有限公司 高雄",
    "euc_jp": "東京都 山田太郎 名前 ひらがな トウキョウ",
}
WORDS = {encoding: text.split() for encoding, text in TEXTS.items()}


@pytest.mark.parametrize("encoding", WORDS)
def test_words_of_a_file_are_shown_as_they_were_written(encoding: str) -> None:
    records = [f"17,{word},x\n".encode(encoding) for word in WORDS[encoding]]
    advisor = Advisor()
    advisor.learn(records)
    for word, record in zip(WORDS[encoding], records, strict=True):
        assert f"“{word}”" in advisor.advise(record)


def test_the_likeliest_encoding_is_named() -> None:
    first = {
        encoding: rank(f"1,{word}".encode(encoding) for word in words)[0] for encoding, words in WORDS.items()
    }
    others = {encoding: name for encoding, name in first.items() if name != encoding}
    assert others.keys() <= {"cp1257"}  # the letters of the Baltic languages stand where others have theirs


def test_a_message_names_the_option() -> None:
    record = b"Zo\xeb,York"
    assert advice(record, rank([record])) == (
        " Part of it reads in cp1252 “Zoë”, in cp1257 “Zoė”, in cp1251 “Zoл”. "
        "Declare the encoding, such as encoding=cp1252, in the options."
    )


def test_nothing_is_said_about_damaged_utf8() -> None:
    damaged = "Zoë,Müller,".encode() + b"M\xfcller"
    assert rank([damaged]) == ()
    assert advice(damaged, ("cp1252",)) == ""
    assert advice("Zoë".encode(), ("cp1252",)) == ""


def test_records_are_ranked_once() -> None:
    advisor = Advisor()
    advisor.learn(f"1,{word}".encode("cp1251") for word in WORDS["cp1251"])
    advisor.learn(f"1,{word}".encode("cp1252") for word in WORDS["cp1252"])
    assert "encoding=cp1251" in advisor.advise(b"Zo\xeb")


@given(st.binary(max_size=200) | st.binary(min_size=1000, max_size=3000))
def test_any_bytes_give_a_short_printable_message(record: bytes) -> None:
    found = advice(record, rank([record]))
    assert len(found) < 300
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") for char in found)
