"""What a CSV file's head is taken for: the delimiter, the columns, and what is told about it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import ExtraCells, Format
from chalicelib.formats.csv.detection.sample import MOST_LINES, lines_of
from tests.support.pipeline import detect

# (file, delimiter, columns, codes of the warnings)
READ = {
    "1col emails": ("email\na@x.com\nb@y.org\n", None, ("email",), set()),
    "1col emails headerless": ("a@x.com\nb@y.org\n", None, ("a@x.com",), set()),
    "1col words": ("word\napple\npear\n", None, ("word",), set()),
    "1col one row": ("name\nAnn\n", None, ("name",), set()),
    "header one row": ("id,name\n1,Ann\n", ",", ("id", "name"), set()),
    "header only": ("id,name\n", ",", ("id", "name"), set()),
    "header only semi": ("id;name;x\n", ";", ("id", "name", "x"), set()),
    "one word": ("hello", None, ("hello",), set()),
    "1col sentences": (
        "comment\nIt was cold, dark and wet\nNice, really\nno comma here\nwell, well, well\n",
        None,
        ("comment",),
        set(),
    ),
    "1col places": ("location\nParis, France\nRome, Italy\nBerlin, Germany\n", None, ("location",), set()),
    "1col amounts": ("amount\n1,234.50\n2,345.60\n3,400.00\n", None, ("amount",), set()),
    "1col decimals": ("amount\n1,50\n2,60\n3,00\n", None, ("amount",), set()),
    "1col names": ("full name\nAnn Lee\nBo Ray\nCy Day\n", None, ("full name",), set()),
    "1col times": ("time\n10:00\n11:30\n12:45\n", None, ("time",), set()),
    "1col datetime": ("when\n2025-01-01 10:00:00\n2025-01-02 11:00:00\n", None, ("when",), set()),
    "1col urls": ("url\nhttps://a.com/x\nhttps://b.com/y\n", None, ("url",), set()),
    "2col time semi": ("name;time\nAnn;10:11:12\nBo;11:12:13\n", ";", ("name", "time"), set()),
    "2col time comma": ("name,time\nAnn,10:11:12\nBo,11:12:13\n", ",", ("name", "time"), set()),
    "2col decimal": ("name;amount\nAnn;1,50\nBo;2,60\nCy;3,70\n", ";", ("name", "amount"), set()),
    "header name comma": (
        "Name, Vorname;Betrag\nMeier, Hans;1,50\nRay, Bo;2,60\n",
        ";",
        ("Name, Vorname", "Betrag"),
        set(),
    ),
    "geo": ("id;coord\n1;52,13 9,9\n2;48,1 11,5\n", ";", ("id", "coord"), set()),
    "tags in comma": ("id,tags\n1,a;b;c\n2,b;c\n3,a\n", ",", ("id", "tags"), set()),
    "tags same count": ("id,tags\n1,a;b\n2,b;c\n3,a;d\n", ",", ("id", "tags"), set()),
    "pipe in semi": ("id;tags;x\n1;a|b;2\n2;b|c;3\n3;a|d;4\n", ";", ("id", "tags", "x"), set()),
    "tab": ("a\tb\n1, 2\tx\n3, 4\ty\n", "\t", ("a", "b"), set()),
    "colon passwd": ("user:pw:uid:gid\nroot:x:0:0\nbin:x:1:1\n", ":", ("user", "pw", "uid", "gid"), set()),
    "blanks": ("a b c\n1 2 3\n4 5 6\n", "blanks", ("a", "b", "c"), set()),
    "blanks aligned": (
        "name    age  city\nAnn      30  York\nBo        4  Rome\n",
        "blanks",
        ("name", "age", "city"),
        set(),
    ),
    "tilde": ("a~b\n1~x\n2~y\n", "~", ("a", "b"), set()),
    "x01": ("a\x01b\n1\x01x\n2\x01y\n", "\x01", ("a", "b"), set()),
    "all quoted": ('"a","b"\n"1","x, y"\n"2","z"\n', ",", ("a", "b"), set()),
    "json cell": ('id;data\n1;{"a":1,"b":2}\n2;{"a":2,"b":3}\n', ";", ("id", "data"), set()),
    "json cell quoted": (
        'id,data\n1,"{""a"":1,""b"":2}"\n2,"{""a"":2,""b"":3}"\n',
        ",",
        ("id", "data"),
        set(),
    ),
    "json cell backslash": (
        'id,data\n1,"{\\"a\\":1,\\"b\\":2}"\n2,"{\\"a\\":2,\\"b\\":3}"\n',
        ",",
        ("id", "data"),
        {"escape-detected"},
    ),
    "pivot": ("country,2019,2020\nDE,1,2\nFR,3,4\n", ",", ("country", "2019", "2020"), {"header-like-data"}),
    "title": (
        "Customers 2024\nname;city;n\nAnn;York;1\nBo;Rome;2\n",
        ";",
        ("name", "city", "n"),
        {"lines-before-header"},
    ),
    "title all text": (
        "Customers\nname;city;country\nAnn;York;UK\nBo;Rome;IT\n",
        ";",
        ("name", "city", "country"),
        {"lines-before-header"},
    ),
    "title 2col": ("Stock\nitem,count\napple,4\npear,5\n", ",", ("item", "count"), {"lines-before-header"}),
    "title blank": ("Report\n\na,b\n1,2\n3,4\n", ",", ("a", "b"), {"lines-before-header"}),
    "title with comma": (
        "Report, March 2025\na,b,c\n1,2,3\n3,4,5\n",
        ",",
        ("a", "b", "c"),
        {"lines-before-header"},
    ),
    "padded title": ("Report,,\na,b,c\n1,2,3\n3,4,5\n", ",", ("a", "b", "c"), {"lines-before-header"}),
    "hash comments": (
        "# made by x\n# on 2025-01-01\na,b,c\n1,2,3\n",
        ",",
        ("a", "b", "c"),
        {"lines-before-header"},
    ),
    "hash header": ("#chrom\tpos\nchr1\t10\nchr2\t20\n", "\t", ("#chrom", "pos"), set()),
    "trail both": ("a,b,c,\n1,2,3,\n4,5,6,\n", ",", ("a", "b", "c", "column_4"), set()),
    "trail rows": ("a,b,c\n1,2,3,\n4,5,6,\n", ",", ("a", "b", "c"), set()),
    "trail header": ("a,b,c,\n1,2,3\n4,5,6\n", ",", ("a", "b", "c"), set()),
    "short": (
        "first,last,email,phone,notes\nAnn,Lee,ann@example.com\nBo,Ray,bo@example.com,555\nCy,Day,cy@example.com,556,hi\n",
        ",",
        ("first", "last", "email", "phone", "notes"),
        set(),
    ),
    "units": (
        "time,temp,wind\nTS,degC,m/s\n2025-03-01 10:00,4.1,2\n2025-03-01 11:00,4.4,3\n",
        ",",
        ("time", "temp", "wind"),
        {"second-header-line"},
    ),
    "pandas": ('"",x,y\n0,5,a\n1,6,b\n', ",", ("column_1", "x", "y"), set()),
    "unnamed trailing": (
        "id,name\n1,Ann,York\n2,Bo,Rome\n",
        ",",
        ("id", "name", "column_3"),
        {"unnamed-column"},
    ),
    "apostrophes": ("id,name\n1,'t Hooft\n2,O'Brien\n3,'s Gravenhage\n4,l'été\n", ",", ("id", "name"), set()),
    "single quotes": ("'id','name'\n'1','a, b'\n'2','c'\n", ",", ("id", "name"), set()),
    "single minimal": ("id,name\n1,'a, b'\n2,'c, d'\n3,e\n", ",", ("id", "name"), set()),
    "inches": ('id;name\n1;5" pipe\n2;6" pipe\n', ";", ("id", "name"), set()),
    "multi": ('id,note\n1,"line one\nline two, yes"\n2,"x"\n', ",", ("id", "note"), set()),
    "prices": ("sku,price\nA-1,$1.50\nB-2,$2.50\n", ",", ("sku", "price"), set()),
    "another script": ("名前;都市\n花子;東京\n太郎;大阪\n", ";", ("名前", "都市"), set()),
    "dates ,": ("date,open\n2025/01/02,1.5\n2025/01/03,1.6\n", ",", ("date", "open"), set()),
    "address ; comma": (
        "name;address\nAnn;12 Main St, York, UK\nBo;1 High St, Leeds, UK\n",
        ";",
        ("name", "address"),
        set(),
    ),
    "address quoted": (
        'name,address\nAnn,"12 Main St, York, UK"\nBo,"1 High St, Leeds, UK"\n',
        ",",
        ("name", "address"),
        set(),
    ),
    "lines like log": (
        "ts level msg\n2025-01-01T10:00:00Z INFO start\n2025-01-01T10:00:01Z WARN low\n",
        "blanks",
        ("ts", "level", "msg"),
        set(),
    ),
    "paths": ("id,path\n1,C:\\temp\\x\n2,D:\\data\\y\n", ",", ("id", "path"), set()),
    "cloc": ("lat:lon\n1.5:2.5\n3.5:4.5\n", ":", ("lat", "lon"), set()),
    "single quoted column of a number": ("'nr'\n1\n", None, ("nr",), set()),
    "single quoted column of texts and numbers": ("'nr'\n'A-1'\n2.5\n", None, ("nr",), set()),
    "single quoted header": ("'nr'\n", None, ("nr",), set()),
    "apostrophe in a header": ("'nr\n1\n", None, ("'nr",), set()),
    "single quotes below a title": (
        "Report, 2025\n'id';'note'\n'1';'a: b'\n'2';'c'\n;\n;\n;\n",
        ";",
        ("id", "note"),
        {"lines-before-header"},
    ),
    "colons between values": (
        (
            "ada@example.com:72 kWh:4713,89:-64.95:true:EX-728\n"
            "bob@example.com:39 kWh:8036,26:53.14:true:GX-950\n"
            "cy@example.com:68 kWh:6920,87:80.76:false:FX-724\n"
        ),
        ":",
        ("ada@example.com", "72 kWh", "4713,89", "-64.95", "true", "EX-728"),
        {"header-like-data"},
    ),
    "blanks between values": (
        (
            "ada@x.com 62.8% 17:58:23 6879.81 8610,13\nbob@x.com 14.0% 20:54:20 8182.09 8510,86\n"
            "cy@x.com 65.2% 19:26:21 5454.40 3903,09\n"
        ),
        "blanks",
        ("ada@x.com", "62.8%", "17:58:23", "6879.81", "8610,13"),
        {"header-like-data"},
    ),
    "blanks between decimals": (
        "x y z\n0.650 0.581 0.012\n0.059 0.022 0.457\n",
        "blanks",
        ("x", "y", "z"),
        set(),
    ),
    "blanks between texts in quotes": (
        '"id" "town" "file"\n1 "York" "/var/log/a.log"\n2 "Cork" "/var/log/b.log"\n',
        "blanks",
        ("id", "town", "file"),
        set(),
    ),
    "1col telephone numbers": ("phone\n030 123 456\n0171 234 567\n040 999 888\n", None, ("phone",), set()),
    "1col sizes": ("size\n10 x 20 cm\n5 x 12 cm\n7 x 9 cm\n", None, ("size",), set()),
    "1col ranges": ("range\n0 - 9\n10 - 19\n20 - 29\n", None, ("range",), set()),
    "1col and delimiters at the ends": ("email\na@x.com;\nb@y.org;\n", ";", ("email",), set()),
    "double quotes in single ones": (
        '\'id\',\'list\'\n1,\'["c","0","x, y"]\'\n2,\'["a","1","x, z"]\'\n3,\'["b","2","x, w"]\'\n',
        ",",
        ("id", "list"),
        set(),
    ),
    "blanks between few values": (
        "id at amount note name\n1 - 5.5 N_1 Ann\n2 4 7.5 N_2 Bo\n3 - 9.5 N_3 Cy\n4 - 1.5 Y_4 Di\n",
        "blanks",
        ("id", "at", "amount", "note", "name"),
        set(),
    ),
    "units and dashes": (
        "mail,copy,count,date,sum\nmm,UTC,-,-,-\na@x.org,b@x.org,1,2025-01-02,2.5\nc@x.org,d@x.org,3,2025-01-03,4.5\n",
        ",",
        ("mail", "copy", "count", "date", "sum"),
        {"second-header-line"},
    ),
    "mixed semis header": ("a;b,c;d\n1;2,5;3\n2;3,5;4\n", ";", ("a", "b,c", "d"), set()),
}
UNCLEAR = {
    "R": '"x";"y"\n"1";"1";"a"\n"2";"3";"b"\n',
    "unclear": "name,city\nAnn,York,UK\nBo,Rome,IT\n",
    "a header without the delimiter of all rows": "places\na;b\nd;e\ng;h\n",
    "two delimiters": "a|b;c\nd|e;f\ng|h;i\n",
    "a list of addresses": "address\n1 High St, York, N1\n2 Low St, Ely, N2\n3 Mid St, Ulm, N3\n",
    "groups of a number": "a b c\n1 234 567\n2 345 678\n3 456 789\n",
    "commas and pipes alike": "name|lat,lon\nAda|1.5,2.5\nBob|3.5,4.5\nCy|5.5,6.5\n",
}


@pytest.mark.parametrize(("text", "delimiter", "columns", "codes"), READ.values(), ids=READ.keys())
def test_a_head_is_read_as_people_read_it(
    text: str, delimiter: str | None, columns: tuple[str, ...], codes: set[str]
) -> None:
    found = detect(text.encode(), Format.CSV)
    assert found.dialect.columns == columns
    assert delimiter in (None, found.dialect.delimiter)
    assert {warning.code for warning in found.warnings} == codes


@pytest.mark.parametrize("text", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_a_head_with_two_readings_is_refused_with_samples_of_both(text: str) -> None:
    with pytest.raises(JobFailed) as refused:
        detect(text.encode(), Format.CSV)
    assert refused.value.code == "dialect-unclear"
    assert "Delimiter" in refused.value.message
    assert " | " in refused.value.message


@pytest.mark.parametrize("text", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_a_declared_delimiter_and_extra_cells_leave_nothing_unclear(text: str) -> None:
    detect(text.encode(), Format.CSV, delimiter=";", extra_cells=ExtraCells.DROP)


NAMES = ("Lovelace, Ada", "Young, Cy", "Vaughan, Dorothy", "Hopper, Grace")
TEXTS = {  # columns whose names or values hold other delimiters
    "Last, First": st.sampled_from(NAMES),
    "City, State": st.sampled_from(["York, UK", "Cork, IE"]),
    "coords": st.tuples(st.integers(-90, 90), st.integers(0, 9)).map(
        lambda pair: f"{pair[0]}.5,{pair[1]}.25"
    ),
    "price": st.integers(100, 9999).map(lambda cents: f"{cents // 100},{cents % 100:02}"),
    "tags": st.lists(st.sampled_from(["red", "big", "old"]), min_size=1, max_size=3).map("/".join),
    "time": st.integers(0, 59).map(lambda minute: f"10:{minute:02}"),
    "id": st.integers(0, 999).map(str),
}


@given(st.sampled_from(";\t|"), st.lists(st.sampled_from(sorted(TEXTS)), min_size=2, unique=True), st.data())
def test_commas_in_names_and_values_of_columns_are_text(
    delimiter: str, columns: list[str], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.tuples(*[TEXTS[column] for column in columns]), min_size=3, max_size=20))
    text = "\n".join(map(delimiter.join, [columns, *rows])) + "\n"
    found = detect(text.encode(), Format.CSV)
    assert (found.dialect.delimiter, found.dialect.columns) == (delimiter, tuple(columns))


def test_so_many_lines_are_looked_at() -> None:
    data = b"a\n" * (MOST_LINES + 5)
    assert len(lines_of(data, 0, len(data), "utf-8", is_whole=True)) == MOST_LINES
    assert len(lines_of(data, 0, len(data), "utf-8", is_whole=True, most=3)) == 3


def test_addresses_of_pages_in_one_column_are_no_second_header_line() -> None:
    urls = ["https://www.example65.com/shop?ids=0,8", *(f"https://e{n}.org/a/b" for n in range(5))]
    assert not detect(("word\n" + "\n".join(f'"{url}"' for url in urls) + "\n").encode(), Format.CSV).warnings


WORDS = st.text("abcdefgh", min_size=1, max_size=6)
NUMBERS = st.integers(0, 10**6).map(str)


@given(st.sampled_from(",;\t|^~\x01"), st.integers(2, 6), st.data())
def test_a_plain_table_is_read_without_a_warning(delimiter: str, width: int, data: st.DataObject) -> None:
    header = data.draw(st.lists(WORDS, min_size=width, max_size=width, unique=True))
    row = st.tuples(*[WORDS if column % 2 else NUMBERS for column in range(width)])
    rows = data.draw(st.lists(row, min_size=1, max_size=20))
    text = "\n".join(map(delimiter.join, [header, *rows])) + "\n"
    found = detect(text.encode(), Format.CSV)
    assert (found.dialect.delimiter, found.dialect.columns) == (delimiter, tuple(header))
    assert not found.warnings


@given(st.integers(0, 20), st.integers(0, 20), st.sampled_from(["", ",", ",x"]))
def test_two_apostrophes_at_the_ends_of_cells_are_no_quotes(first: int, between: int, ragged: str) -> None:
    rows = [[str(number), f"town {number}"] for number in range(first + between + 10)]
    rows[first][1], rows[first + between + 1][1] = "'s-Hertogenbosch", "James'"
    lines = [",".join(row) for row in rows]
    lines[first + (between > 0)] += ragged
    assert detect("\n".join(["id,town", *lines]).encode(), Format.CSV).dialect.quote == '"'


@given(st.data())
def test_a_ragged_row_does_not_change_the_delimiter(data: st.DataObject) -> None:
    rows = [f"{number};Meier {number}, Hans;{number * 7}" for number in range(30)]
    place = data.draw(st.integers(0, 29))
    rows[place] = data.draw(
        st.sampled_from([rows[place] + ";", rows[place] + ";x", f"{place}", "1,2", "x;y"])
    )
    found = detect("\n".join(["id;name;amount", *rows]).encode(), Format.CSV)
    assert found.dialect.columns == ("id", "name", "amount")


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=30), max_size=8))
def test_any_text_is_read_or_refused_with_a_code(lines: list[str]) -> None:
    text = "\n".join(lines)
    assume(text.strip())
    try:
        found = detect(text.encode(), Format.CSV)
    except JobFailed as failure:
        assert failure.message.endswith((".", "?"))
    else:
        assert len(set(found.dialect.columns)) == len(found.dialect.columns) >= 1


ROWS = [["id", "name", "amount"], ["1", "Ada", "2.50"], ["2", "Bob", "3.75"], ["3", "Cy", "4.10"]]


@pytest.mark.parametrize("named", [",", ";", "|"])
@pytest.mark.parametrize("used", [",", ";", "\t", "|"])
def test_a_separator_line_that_names_another_delimiter_than_the_table_has_is_refused(
    named: str, used: str
) -> None:
    data = (f"sep={named}\n" + "".join(used.join(row) + "\n" for row in ROWS)).encode()
    if named == used:
        assert len(detect(data).dialect.columns) == 3
        return
    with pytest.raises(JobFailed, match="several ways") as raised:
        detect(data)
    assert raised.value.code == "dialect-unclear"
    assert len(detect(data, delimiter=used, skip_lines=1).dialect.columns) == 3
    assert detect(data, delimiter=named, skip_lines=1).dialect.columns == (used.join(ROWS[0]),)


def test_a_separator_line_that_names_the_delimiter_counts_where_others_divide_cells_evenly() -> None:
    found = detect(b"sep=;\nname;place\nMeier, Ann;Ulm, DE\nRay, Bo;Ely, UK\n")
    assert found.dialect.columns == ("name", "place")


PEOPLE = "Ada,Lovelace,London\nBob,Boole,Cork\nCy,Carr,Bath\nDi,Dunn,Ely\n"


@pytest.mark.parametrize(
    ("lines", "is_told"),
    [
        ("Person,Person,Place\nfirst,last,city\n", True),
        ("Person,,Place\nfirst,last,city\n", True),
        ("PERSON,PERSON,PLACE\nFIRST NAME,LAST NAME,CITY NAME\n", True),
        ("Person,Person,Place\n", False),
        ("Person,,Place\n", False),
        ("first,last,city\n", False),
        (",name,city\n", False),
        ("first,last,city\nann,ames,york\n", False),  # no name is missing: a record in small letters
    ],
)
def test_a_second_header_line_of_words_is_told_where_names_are_missing(lines: str, *, is_told: bool) -> None:
    found = detect((lines + PEOPLE).encode())
    assert [warning.code for warning in found.warnings] == ["second-header-line"] * is_told
    skipped = detect((lines + PEOPLE).encode(), skip_after_header=1)
    assert not skipped.warnings


def test_names_above_several_columns_of_numbers_are_told() -> None:
    for names in ("Sales,Sales,Costs", "Sales,,Costs"):
        found = detect(f"{names}\nQ1,Q2,Q1\n1,2,3\n4,5,6\n7,8,9\n".encode())
        assert [warning.code for warning in found.warnings] == ["second-header-line"]
