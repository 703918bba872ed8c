"""The labelled files, the comparison with their labels, and a sample that Sluice must read right."""

import csv
import io
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.page import is_unedited
from bench.reading import page, sluice
from bench.reading.baselines import reading as baseline_reading
from bench.reading.draft import Draft, Printer
from bench.reading.generate import generate, make, schedule
from bench.reading.kinds import KINDS
from bench.reading.labels import Fate, Label, LabelledFile, LeftOut
from bench.reading.scoring import CRASH, UNREADABLE, Outcome, Reading, judge
from bench.reading.style import BLANKS, Quoting, Style
from bench.reading.tables import Column, Table
from bench.reading.tallies import Tallies
from bench.results import Result
from chalicelib.core.warnings import KINDS as WARNINGS
from chalicelib.formats.csv.header import column_names
from chalicelib.rows import canonical
from tests.support.docpages import page as docs_page
from tests.support.paths import CHECKOUT

# The sample: at least one file of each kind.
SAMPLE_SEED = 16
SAMPLE_SIZE = 150
LEAST_RIGHT = 98.0  # per cent
MOST_REFUSED = 2.0  # per cent


@pytest.fixture(scope="module")
def sample() -> Sequence[LabelledFile]:
    return list(generate(SAMPLE_SEED, SAMPLE_SIZE))


@pytest.fixture(scope="module")
def tallies(sample: Sequence[LabelledFile]) -> Tallies:
    found = Tallies()
    for file in sample:
        found.add(file.kind, judge(file, sluice.read(file.data)))
    return found


@pytest.mark.parametrize("mark", ["wrong", "noise", "untold"])
def test_no_file_of_the_sample_is_read_wrong_in_silence_or_warned_about_in_vain(
    tallies: Tallies, mark: str
) -> None:
    assert {kind: counter[mark] for kind, counter in tallies.kinds.items() if counter[mark]} == {}


def test_the_sample_is_read_right(tallies: Tallies) -> None:
    assert tallies.share("right") >= LEAST_RIGHT, tallies.text()
    assert tallies.share("refused") < MOST_REFUSED, tallies.text()


def test_the_sample_has_files_of_each_kind(sample: Sequence[LabelledFile]) -> None:
    assert {file.kind for file in sample} == set(KINDS)
    assert schedule()[: len(KINDS)] == list(KINDS)


def test_labels_speak_of_warnings_that_there_are(sample: Sequence[LabelledFile]) -> None:
    codes = {
        one for file in sample for label in file.labels for code in label.codes for one in code.split("|")
    }
    assert codes <= set(WARNINGS)


def test_only_damaged_files_need_warnings(sample: Sequence[LabelledFile]) -> None:
    for file in sample:
        assert not (file.plain and any(label.codes for label in file.labels)), file.name
        assert file.plain == file.kind.startswith("plain"), file.name


def test_a_file_is_the_same_on_its_own_and_among_others(sample: Sequence[LabelledFile]) -> None:
    for number in (0, 7, 60, 149):
        assert make(SAMPLE_SEED, number) == sample[number]
    kind = sample[60].kind
    assert sample[60] in list(generate(SAMPLE_SEED, SAMPLE_SIZE, kind))


def test_files_do_not_depend_on_the_order_of_sets() -> None:
    program = (
        "import hashlib; from bench.reading.generate import generate; "
        "files = [(f.data, [(l.columns, l.fates, sorted(l.must)) for l in f.labels])"
        " for f in generate(5, 60)]; "
        "print(hashlib.sha256(repr(files).encode()).hexdigest())"
    )

    def digest(seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert digest("1") == digest("2")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, unique=True), st.lists(CELLS, max_size=5))
def test_records_are_printed_as_sluice_prints_them(names: list[str], cells: list[str]) -> None:
    extra = [f"extra_{number}" for number in range(1, len(cells) - len(names) + 1)]
    assert Printer(names).print(cells) == canonical.record(dict(zip([*names, *extra], cells, strict=False)))


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=4),
    st.sampled_from(",;\t|:^~\x01"),
    st.sampled_from(list(Quoting)),
    st.sampled_from("'\""),
    st.booleans(),
)
def test_pythons_csv_reads_a_plain_file_as_its_label_says(
    rows: list[list[str]], delimiter: str, quoting: Quoting, quote: str, backslash: bool
) -> None:
    style = Style(delimiter, quoting, quote, backslash=backslash)
    if quoting is Quoting.NONE:
        style = replace(style, backslash=False, quote='"')
    rows = [["key", *row] for row in rows]
    if quoting is Quoting.MINIMAL and backslash:  # cells without quotes hold no escapes
        rows = [[cell.replace("\\", "/") for cell in row] for row in rows]
    columns = [Column(name, lambda *_: "") for name in ("k", "a", "b")]
    draft = Draft.of(random.Random(1), style, Table(columns, rows))
    file = draft.finish(1, 1, "plain")
    read = csv.reader(
        io.StringIO(file.data.decode(), newline=""),
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_NONE if quoting is Quoting.NONE else csv.QUOTE_MINIMAL,
        doublequote=not style.backslash,
        escapechar="\\" if style.backslash else None,
    )
    header, *records = list(read)
    assert column_names(header) == file.labels[0].columns
    printer = Printer(column_names(header))
    assert [printer.print(record) for record in records] == [fate.rows[0] for fate in file.labels[0].fates]


def test_runs_of_blanks_delimit_cells_in_quotes() -> None:
    style = Style(BLANKS)
    assert style.record(["1", "a b", "", 'say "x"']) == '1 "a b" "" "say ""x"""'
    assert Style(BLANKS, Quoting.NONE).fit("a  b") == "a_b"


ONE, TWO, OTHER = '{"a":"1"}', '{"a":"2"}', '{"a":"3"}'
UNITS = Fate(told=(("second-header-line", OTHER),), left_out=LeftOut.ANYHOW)
BROKEN = Fate(left_out=LeftOut.REJECTED)


def labelled(
    *fates: Fate, must: Sequence[str] = (), vital: Sequence[str] = (), plain: bool = False
) -> LabelledFile:
    label = Label(("a",), fates, frozenset(must), frozenset(vital))
    return LabelledFile(1, 1, "kind", "about", b"", [label], plain)


def found(*rows: str, rejects: int = 0, told: Sequence[str] = (), accepted: int | None = None) -> Reading:
    count = len(rows) if accepted is None else accepted
    return Reading(frozenset(rows), count, ["code"] * rejects, (), frozenset(told))


BOTH = (Fate((ONE,)), Fate((TWO,)))


@pytest.mark.parametrize(
    ("file", "reading", "outcome"),
    [
        (labelled(*BOTH), found(ONE, TWO), Outcome.RIGHT),
        (labelled(*BOTH), found(ONE), Outcome.WRONG),  # one is lost
        (labelled(*BOTH), found(ONE, rejects=1), Outcome.REPORTED),  # one is rejected without need
        (labelled(*BOTH), found(ONE, OTHER), Outcome.WRONG),
        (labelled(*BOTH), found(ONE, TWO, OTHER), Outcome.WRONG),
        (labelled(*BOTH), found(ONE, TWO, rejects=1), Outcome.REPORTED),  # of something that is not a record
        (labelled(*BOTH, BOTH[0]), found(ONE, TWO), Outcome.WRONG),  # one of two equal records is lost
        (labelled(*BOTH, BOTH[0]), found(ONE, TWO, accepted=3), Outcome.RIGHT),
        (labelled(*BOTH), found(ONE, TWO, accepted=3), Outcome.WRONG),
        (labelled(*BOTH, BROKEN), found(ONE, TWO, rejects=1), Outcome.RIGHT),
        (labelled(*BOTH, BROKEN), found(ONE, TWO), Outcome.WRONG),  # left out in silence
        (labelled(*BOTH, BROKEN), found(ONE, TWO, OTHER), Outcome.WRONG),
        (labelled(*BOTH, UNITS), found(ONE, TWO), Outcome.RIGHT),
        (labelled(*BOTH, UNITS), found(ONE, TWO, OTHER), Outcome.WRONG),
        (labelled(*BOTH, UNITS), found(ONE, TWO, OTHER, told=["second-header-line"]), Outcome.RIGHT),
        (labelled(*BOTH, must=["short-rows"]), found(ONE, OTHER, told=["short-rows"]), Outcome.REPORTED),
        (labelled(*BOTH, must=["short-rows"]), found(ONE, OTHER, told=["extra-cells"]), Outcome.WRONG),
        (labelled(*BOTH, vital=["header-like-data"]), found(ONE, TWO), Outcome.WRONG),
        (labelled(*BOTH), Reading(frozenset(), 0, failure="dialect-unclear"), Outcome.REFUSED),
        (labelled(*BOTH), Reading(frozenset(), 0, failure=UNREADABLE), Outcome.REFUSED),
        (labelled(*BOTH), Reading(frozenset(), 0, failure="nothing-loaded"), Outcome.REPORTED),
        (labelled(*BOTH), Reading(frozenset(), 0, failure=CRASH), Outcome.WRONG),
        (labelled(BROKEN), Reading(frozenset(), 0, failure="nothing-loaded"), Outcome.RIGHT),
        (labelled(), Reading(frozenset(), 0, columns=("a",)), Outcome.RIGHT),
        (labelled(), Reading(frozenset(), 0, columns=("b",)), Outcome.WRONG),
    ],
)
def test_a_reading_is_compared_with_the_label(file: LabelledFile, reading: Reading, outcome: Outcome) -> None:
    verdict = judge(file, reading)
    assert verdict.outcome is outcome, verdict.reasons
    assert bool(verdict.reasons) == (outcome is not Outcome.RIGHT)


def test_a_crash_of_sluice_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise TypeError("it broke")

    monkeypatch.setattr(sluice, "detect_dialect", crash)
    reading = sluice.read(b"a,b\n")
    assert reading.failure == CRASH
    assert "it broke" in reading.dialect
    assert "test_reading.py" in reading.dialect


def test_a_warning_that_is_missing_and_one_too_many_are_noted() -> None:
    told = found(ONE, TWO, told=["short-rows"])
    assert judge(labelled(*BOTH, plain=True), told).noise == ["short-rows"]
    assert judge(labelled(*BOTH), told).noise == ()
    assert judge(labelled(*BOTH, must=["row-names"]), told).untold == ["row-names"]
    assert judge(labelled(*BOTH, must=["row-names|short-rows"]), told).is_faultless


def test_the_best_label_counts() -> None:
    two = replace(labelled(*BOTH), labels=[Label(("a",), BOTH[:1]), Label(("a",), BOTH)])
    assert judge(two, found(ONE, TWO)).outcome is Outcome.RIGHT
    assert judge(two, found(ONE)).outcome is Outcome.RIGHT
    assert judge(two, found(OTHER)).outcome is Outcome.WRONG


def test_habits_of_other_readers_are_not_held_against_them() -> None:
    rows = [["a", "b"], ["1"], ["2", "3", ""], [], ["", ""], ["4", "5", "6"], ["x", "\0"]]
    read = baseline_reading(rows, 1)
    expected = frozenset({'{"a":"1"}', '{"a":"2","b":"3"}', '{"a":"4","b":"5","extra_1":"6"}'})
    assert (read.rows, read.accepted, len(read.rejects)) == (expected, 3, 3)
    fate = Fate(told=(("short-rows-padded", ONE),), left_out=LeftOut.REJECTED)
    assert judge(labelled(fate), replace(found(ONE), habits=read.habits)).outcome is Outcome.RIGHT
    assert judge(labelled(fate), found(ONE)).outcome is Outcome.WRONG
    assert baseline_reading([["a\0"]], 0).failure == UNREADABLE


def test_the_page_is_made_by_the_bench_alone() -> None:
    assert is_unedited(docs_page("reading-accuracy.md"))


def test_the_page_shows_each_reader_and_each_kind() -> None:
    good, bad = Tallies(), Tallies()
    for tally, reading in ((good, found(ONE, TWO)), (bad, found(ONE))):
        tally.add("plain", judge(labelled(*BOTH), reading))
    measured = page.measurement({"Sluice": good, "Other": bad})
    text = page.render_page(Result(measured, {"Seed": "1"}, {"date": "2026-01-02", "commit": "abc"}))
    assert "| right | 100.0 | 0.0 |" in text
    assert "| plain | 1 | 100 | 0 |" in text
    assert "| plain | 1 | 0 | 100 |" in text
    assert "Seed 1." in text
    assert is_unedited(text)
    assert "Nothing has been measured." in page.render_page(None)
