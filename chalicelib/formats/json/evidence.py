"""Weigh what the names in a JSON object say: an envelope around a list of records, or a record with a list?

What speaks for an envelope counts positive points, what speaks for a record negative ones. Names are compared
in lower case and by their letters and digits alone, so that `next_page`, `nextPage` and `@nextPage` are one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple


class Step(NamedTuple):
    """An object on the way to a list, and the name of its member that leads there."""

    around: Mapping[str, Any]
    name: str


class Number(str):
    """The text of a number, as opposed to a text."""

    __slots__ = ()


_MOST_MEMBERS = 50  # of an object that are looked at
_NOTHING_BESIDE = 2  # but what envelopes have
_PAGING_BESIDE = 2
_COUNT_BESIDE = 2  # that is the length of the list
_COLLECTION = 3  # says it is one
_USUAL, _HALF_USUAL = 2, 1
_PART_OF_RECORD = -2
_OTHER_LIST = -3
_IDENTITY, _PROPERTY, _CALLED, _OWN = -4, -3, -2, -1
_MOST_OWN = -3  # in sum: of what is neither the identity nor a usual property of a record

_SEPARATORS = re.compile(r"[\W_]+")
_NO_IDENTITY = re.compile(  # of a record, but of a request, an export or what the records are of
    r"(?:request|trace|correlation|session|query|batch|export|run|scroll|execution|operation"
    r"|resource|dataset|collection|report|feed|list|first|last|next|previous|page|cursor)id"
)
_ENDS_IN_ID = re.compile(r".*(?:^|[\W_])[iI][dD]|.*[a-z]I[dD]|ID")
_NUMBERED = re.compile(
    r".+(?:number|nummer|ref|reference|identifier)|(?:order|invoice|customer|user|account|product)(?:id|no|nr|code)"
)
_MONEY = re.compile(r".*(?:price|amount|subtotal|grandtotal|cost|charges?|tax)")
_COLLECTION_TYPE = re.compile(
    r".*(?:(?:^|[a-z\W_])(?:Collection|List|Feed|Bundle|Page|ResultSet|SearchSet)(?:Response|Result)?"
    r"|(?:^|[\W_])(?:collection|list|feed|bundle|page|resultset|searchset))"
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LISTS = _names(
    "data results result records rows features hits entries entry docs documents dataset resources "
    "members response value objects collection list elements nodes edges graph embedded feed observations "
    "resultset recordset rowset"
)
_LISTS_OF_RECORDS_TOO = _names("items item values")
_WRAPPERS = _names("data result results response payload record body d")
_PARTS = _names(
    "lines line lineitems orderlines orderitems invoicelines invoiceitems positions addresses phones "
    "phonenumbers emails contacts comments replies reviews tags labels categories variants images "
    "photos attachments payments ingredients steps options parts sections chapters tracks skills "
    "education experience allergies medications children dependents discounts taxes fees shipments "
    "roles permissions attributes properties questions answers choices paragraphs blocks messages turns "
    "conversations segments tokens entities dialog dialogue utterances annotations authors participants "
    "parameters languages"
)
_PAGING = _names(
    "page pages pagenumber pagesize perpage pagecount pageinfo pageable paging pagination pager "
    "totalcount totalitems totalresults totalrecords totalpages totalelements totalhits totalsize "
    "numfound numpages numberofelements next nextpage nextcursor nextpagetoken nextlink nexturl "
    "nexttoken nextrecordsurl previous prev prevpage previouspage cursor continuation continuationtoken "
    "hasmore hasnext hasnextpage offset resultsperpage itemsperpage startindex lastevaluatedkey "
    "scannedcount scrollid recordsfiltered recordstotal odatacount odatanextlink"
)
_OF_ENVELOPES = _PAGING | _names(
    "count cnt cod total size length num limit skip top start end from to first last max min empty "
    "number more done links link href self meta metadata info header headers responseheader status "
    "statuscode statustext code success successful ok error errors message messages msg warnings "
    "notices version apiversion formatversion schema type kind object resourcetype doctype etag context "
    "took timedout shards maxscore timestamp time generated generatedat generatedon generator exported "
    "exportedat exportdate created createdat retrieved retrievedat updated updatedat lastupdated "
    "lastmodified requestid query request params filter filters sort orderby aggregations aggs facets "
    "included includes jsonapi extensions crs bbox description license licence copyright attribution "
    "source sources fields columns encoding xml xmlns lang locale totals summary duration elapsed "
    "elapsedms latency ratelimit quota consumedcapacity responsemetadata"
)
_LISTS_OF_ENVELOPES = _names(
    "links errors warnings notices messages included includes facets fields columns filters sort "
    "sources schema"
)
_IDENTITIES = _names("uuid guid isbn issn sku ean gtin vin iban ssn asin doi slug username")
_OF_RECORDS = _names(
    "customer buyer client seller vendor supplier merchant patient employee email mail phone firstname "
    "lastname surname givenname familyname fullname birthdate birthday dateofbirth dob "
    "currency discount"
)
_TITLES = _names("name title label displayname")
_MEMBERS = ((_OF_RECORDS, _PROPERTY), (_TITLES, _CALLED))
_ATTRIBUTES = ("@", "$", "odata.", "xmlns")  # notes about the document
_TYPES = _names("type kind object resourcetype")
_COUNTS = _names(
    "count cnt total size length num totalcount totalitems totalresults totalrecords numfound totalhits"
)


def points(way: Sequence[Step], count: int) -> int:
    """Return how much speaks for an envelope around ``count`` records, to which the steps lead."""
    if not way:
        return _NOTHING_BESIDE
    beside = [member for step in way for member in _beside(step)]
    own = sum(_own_values(beside))
    found = own or _NOTHING_BESIDE
    found += _of_list(way[-1].name, [_folded(step.name) in _WRAPPERS for step in way[:-1]])
    if any(_is_paging(name, value) for name, value in beside):
        found += _PAGING_BESIDE
    if any(_folded(name) in _COUNTS and isinstance(it, Number) and it == str(count) for name, it in beside):
        found += _COUNT_BESIDE
    if any(_says_collection(name, value) for name, value in beside):
        found += _COLLECTION
    return found


def wraps(step: Step) -> bool:
    """Return whether the object around a member is nothing but a wrapper of it, by their names."""
    return _folded(step.name) in _WRAPPERS and not any(_own_values(_beside(step)))


def is_of_envelopes(name: str) -> bool:
    """Return whether envelopes have a member of that name, rather than a record being called so."""
    folded = _folded(name)
    return folded in _OF_ENVELOPES or folded in _LISTS or folded in _LISTS_OF_RECORDS_TOO


def _of_list(name: str, are_wrappers: Sequence[bool]) -> int:
    folded = _folded(name)
    if folded in _LISTS_OF_ENVELOPES:
        return _OTHER_LIST
    if folded in _PARTS:
        return _PART_OF_RECORD
    if folded in _LISTS or any(are_wrappers):
        return _USUAL
    return _HALF_USUAL if folded in _LISTS_OF_RECORDS_TOO else 0


def _beside(step: Step) -> Iterator[tuple[str, Any]]:
    """Yield the members beside the one that leads to the list, as many of them as decide."""
    return ((name, value) for name, value in islice(step.around.items(), _MOST_MEMBERS) if name != step.name)


def _own_values(beside: Iterable[tuple[str, Any]]) -> Iterator[int]:
    """Yield the points of the members that a record has and an envelope has not."""
    rest = 0
    for name, value in beside:
        if value is None or value in ({}, []) or _is_list_of_objects(value):
            continue
        weight = _own(name, value)
        if weight <= _PROPERTY:
            yield weight
        else:
            rest += weight
    yield max(rest, _MOST_OWN)


def _is_paging(name: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a member tells of pages, by itself or as something like `meta` with such members."""
    if _folded(name) in _PAGING:
        return True
    return isinstance(value, dict) and not _own(name, value) and any(_folded(it) in _PAGING for it in value)


def _own(name: str, value: Any) -> int:  # noqa: ANN401 - any JSON value
    """Return the points of one member beside a list; 0 if envelopes have it as well."""
    folded = _folded(name)
    if folded == "number" and not isinstance(value, Number):  # of an order, not of a page
        return _IDENTITY
    if _MONEY.fullmatch(folded) or (folded == "total" and isinstance(value, Number) and "." in value):
        return _PROPERTY
    if folded in _OF_ENVELOPES or "metadata" in folded or _NO_IDENTITY.fullmatch(folded):
        return 0
    if folded in _IDENTITIES or _ENDS_IN_ID.fullmatch(name) or _NUMBERED.fullmatch(folded):
        return _IDENTITY
    if name.startswith(_ATTRIBUTES):
        return 0
    return next((worth for names, worth in _MEMBERS if folded in names), _OWN)


def _is_list_of_objects(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _says_collection(name: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    is_text = isinstance(value, str) and not isinstance(value, Number)
    return is_text and _folded(name) in _TYPES and _COLLECTION_TYPE.fullmatch(value) is not None


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())
