"""The sample is what its script makes, and holds what it is there to show."""

from collections import Counter

from infra.local.sample import make_sample
from tests.support.pipeline import look, outcome


def test_committed_file_is_what_the_script_makes() -> None:
    assert make_sample.FILE.read_bytes() == make_sample.content()


def test_every_kind_of_copy_is_recognised_and_every_kind_of_broken_row_is_there() -> None:
    data = make_sample.content()
    found = outcome(data, look(data))

    assert len(found.records) == make_sample.CUSTOMERS
    assert found.accepted - len(found.records) == sum(make_sample.COPIES.values())
    assert Counter(code for code, _ in found.rejects) == {
        "missing-cell": 2,
        "extra-cell": 2,
        "encoding-error": 2,
        "nul-character": 1,
        "blank-row": 2,
        "unterminated-quote": 1,
    }


def test_it_holds_what_people_type_into_cells() -> None:
    text = make_sample.content().decode("utf-8", "replace")

    assert '"Gate code 4711;\nleave it with the neighbour, please"' in text
    assert '"Signs as ""Zoë & daughters"""' in text


def test_no_address_in_it_can_receive_mail() -> None:
    domains = {cell.rpartition("@")[2].strip().lower() for cell in _cells() if "@" in cell}

    assert domains == {"shop.example.com", "mail.example.com", "home.example.com"}


def _cells() -> list[str]:
    return make_sample.content().decode("utf-8", "replace").replace("\n", ",").split(",")
