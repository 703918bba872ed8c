"""Draws labelled JSON documents: envelopes as services and exports write them, and records with lists."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Document = dict[str, Any]

_FIRST = ("Ada", "Bo", "Çelik", "Dörte", "Eve", "Иван", "花子", "Łukasz")
_TOWNS = ("York", "Cork", "Köln", "Łódź", "東京", "Bath")
_NOUNS = (
    *(
        "users",
        "orders",
        "products",
        "invoices",
        "employees",
        "books",
        "cities",
        "sensors",
        "tickets",
        "members",
    ),
    *("customers", "accounts", "events", "transactions", "stations", "vehicles"),
    *(
        "clientes",
        "Produkte",
        "Mitarbeiter",
        "livres",
        "commandes",
        "utenti",
        "zamówienia",
        "社員",
        "клиенты",
    ),
)


@dataclass(frozen=True)
class Envelope:
    """A document around records, and the path of these."""

    kind: str
    document: Document
    pointer: str
    count: int  # of the records


def draw_envelope(rng: random.Random) -> Envelope:
    """Draw an envelope of any kind, around any number of records of any kind."""
    kind, (write, pointer) = rng.choice(list(_ENVELOPES.items()))
    rows = draw_rows(rng, rng.choice([0, 1, 1, 1, 2, 2, 3, 5, 12, 40, 150]))
    if kind in _NEED_ROWS and not rows:
        rows = draw_rows(rng, 1)
    noun = rng.choice(_NOUNS)
    return Envelope(kind, write(rng, rows, noun), pointer.replace("NOUN", noun), len(rows))


def draw_envelopes(rng: random.Random, count: int) -> tuple[str, list[Document]]:
    """Draw a kind of envelope that shows what it is by any of its names, and envelopes of it, none empty."""
    kind = rng.choice([kind for kind in _ENVELOPES if kind not in _KNOWN_BY_BEING_ALONE])
    write, noun = _ENVELOPES[kind][0], rng.choice(_NOUNS)
    return kind, [write(rng, draw_rows(rng, rng.randrange(1, 9)), noun) for _ in range(count)]


def draw_envelope_of_one(rng: random.Random) -> Envelope:
    """Draw an envelope around one object that is in no list."""
    kind, (write, pointer) = rng.choice(list(_AROUND_ONE.items()))
    row = dict(draw_rows(rng, 1)[0])
    return Envelope(kind, write(rng, row), pointer, 1)


def draw_record(rng: random.Random) -> tuple[str, Document]:
    """Draw a kind of record that holds others, and a record of it."""
    kind, write = rng.choice(list(_RECORDS.items()))
    return kind, write(rng)


def draw_lines(rng: random.Random, count: int) -> tuple[str, list[Document]]:
    """Draw a kind of record as files of one record a line have them, and records of it."""
    kind, write = rng.choice(list((_RECORDS | _LINES).items()))
    return kind, [write(rng) for _ in range(count)]


def draw_rows(rng: random.Random, count: int) -> list[Row]:
    """Draw records of one kind."""
    write = rng.choice([_person, _reading, _point, _line, _order, _customer])
    return [write(rng) for _ in range(count)]


def _person(rng: random.Random) -> Document:
    return {
        "id": rng.randrange(10**6),
        "name": rng.choice(_FIRST),
        "town": rng.choice(_TOWNS),
        "active": True,
    }


def _reading(rng: random.Random) -> Document:
    return {"at": _day(rng), "value": round(rng.uniform(-9, 40), 1)}


def _point(rng: random.Random) -> Document:
    return {"a": rng.randrange(9)}


def _line(rng: random.Random) -> Document:
    return {"sku": f"A-{rng.randrange(999)}", "qty": rng.randrange(1, 9), "price": _money(rng)}


def _day(rng: random.Random) -> str:
    return f"2025-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"


def _money(rng: random.Random) -> float:
    return round(rng.uniform(1, 500), 2)


def _several(rng: random.Random, write: Callable[[random.Random], Document], most: int = 6) -> list[Document]:
    return [write(rng) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, most]))]


def _address(rng: random.Random) -> Document:
    return {"street": f"{rng.choice(_FIRST)} Road {rng.randrange(99)}", "town": rng.choice(_TOWNS)}


def _some(rng: random.Random, **members: Any) -> Document:
    """Return most of the members: files leave out some that are optional."""
    return {name: value for name, value in members.items() if rng.random() < 0.8}


def _shuffled(rng: random.Random, document: Document) -> Document:
    names = list(document)
    if rng.random() < 0.3:
        rng.shuffle(names)
    return {name: document[name] for name in names}


# -- envelopes

_Write = Callable[[random.Random, Sequence[Row], str], Document]


def _simple(name: str) -> _Write:
    return lambda rng, rows, noun: {name: list(rows)}  # noqa: ARG005


def _by_noun(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:
    return _shuffled(rng, {noun: list(rows)})


def _plain(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:  # noqa: ARG001
    beside: list[Document] = [
        {"page": 1, "pages": 7},
        {"total": len(rows)},
        {"count": len(rows), "next": None},
        {"meta": {"page": 1, "per_page": 50}},
        {"status": "ok"},
        {"success": True, "message": "", "code": 0},
        {"links": {"self": "/a?page=1", "next": "/a?page=2"}, "type": "report"},
        {"generated_at": "2025-01-01T00:00:00Z", "version": "1.0"},
    ]
    return _shuffled(rng, {**rng.choice(beside), "data": list(rows)})


def _spring(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:  # noqa: ARG001
    sort = {"sorted": False, "unsorted": True, "empty": True}
    return {
        "content": list(rows),
        "pageable": {"sort": sort, "pageNumber": 0, "pageSize": 20, "offset": 0, "paged": True},
        "totalPages": 1,
        "totalElements": len(rows),
        "last": True,
        "numberOfElements": len(rows),
        "size": 20,
        "number": rng.randrange(3),
        "sort": sort,
        "first": True,
        "empty": not rows,
    }


def _elasticsearch(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:
    hits = [{"_index": noun, "_id": str(rng.random()), "_score": 1.0, "_source": row} for row in rows]
    total = {"value": len(rows), "relation": "eq"}
    shards = {"total": 5, "successful": 5, "skipped": 0, "failed": 0}
    found = {"total": total, "max_score": 1.0, "hits": hits}
    return {"took": rng.randrange(99), "timed_out": False, "_shards": shards, "hits": found}


def _features(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    features = [
        {
            "type": "Feature",
            "properties": row,
            "geometry": {"type": "Point", "coordinates": [rng.random(), rng.random()]},
        }
        for row in rows
    ]
    beside = _some(rng, name=noun, crs=crs, bbox=[0, 0, 1, 1], metadata={"title": noun, "count": len(rows)})
    return {"type": "FeatureCollection", **beside, "features": features}


def _bundle(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:  # noqa: ARG001
    return {
        "resourceType": "Bundle",
        "id": f"bundle-{rng.randrange(99)}",
        "type": "searchset",
        "total": len(rows),
        "link": [{"relation": "self", "url": "https://a.example/Patient"}],
        "entry": [{"fullUrl": "urn:x", "resource": {"resourceType": "Patient", **row}} for row in rows],
    }


def _weather(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:  # noqa: ARG001
    city = {"id": 2643743, "name": rng.choice(_TOWNS), "country": "GB", "timezone": 0}
    return {"cod": "200", "message": 0, "cnt": len(rows), "list": list(rows), "city": city}


def _catalogue(rng: random.Random, rows: Sequence[Row], noun: str) -> Document:  # noqa: ARG001
    fields = [{"id": "_id", "type": "int"}, {"id": "name", "type": "text"}]
    found = {"resource_id": "0a1b", "fields": fields, "records": list(rows), "total": len(rows)}
    return {"help": "https://a.example/help", "success": True, "result": found}


_ENVELOPES: dict[str, tuple[_Write, str]] = {
    "data": (_simple("data"), "/data"),
    "items": (_simple("items"), "/items"),
    "rows": (_simple("rows"), "/rows"),
    "value": (_simple("value"), "/value"),
    "entries": (_simple("entries"), "/entries"),
    "content": (_simple("content"), "/content"),
    "by noun": (_by_noun, "/NOUN"),
    "plain": (_plain, "/data"),
    "paged": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "count": len(rows) + rng.randrange(2) * 50,
            "next": None,
            "previous": None,
            "results": list(rows),
        },
        "/results",
    ),
    "json:api": (
        lambda rng, rows, noun: {
            "data": [{"type": noun, "id": str(n), "attributes": row} for n, row in enumerate(rows)],
            **_some(
                rng, meta={"total": len(rows)}, links={"self": "/x"}, jsonapi={"version": "1.0"}, included=[]
            ),
        },
        "/data",
    ),
    "spring": (_spring, "/content"),
    "hal": (
        lambda rng, rows, noun: {
            "_embedded": {noun: list(rows)},
            "_links": {"self": {"href": "/x"}},
            "page": {"size": 20, "totalElements": len(rows), "totalPages": 1, "number": rng.randrange(2)},
        },
        "/_embedded/NOUN",
    ),
    "odata": (
        lambda rng, rows, noun: {
            "@odata.context": f"https://a.example/$metadata#{noun}",
            **_some(rng, **{"@odata.count": len(rows), "@odata.nextLink": "https://a.example/?$skip=9"}),
            "value": list(rows),
        },
        "/value",
    ),
    "odata 2": (lambda rng, rows, noun: {"d": {"results": list(rows)}}, "/d/results"),  # noqa: ARG005
    "elasticsearch": (_elasticsearch, "/hits/hits"),
    "solr": (
        lambda rng, rows, noun: {
            "responseHeader": {"status": 0, "QTime": rng.randrange(9), "params": {"q": noun}},
            "response": {"numFound": len(rows), "start": 0, "docs": list(rows)},
        },
        "/response/docs",
    ),
    "graphql": (lambda rng, rows, noun: {"data": {noun: list(rows)}}, "/data/NOUN"),  # noqa: ARG005
    "graphql edges": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "data": {
                noun: {
                    "edges": [{"cursor": "x", "node": row} for row in rows],
                    "pageInfo": {"hasNextPage": False, "endCursor": None},
                }
            }
        },
        "/data/NOUN/edges",
    ),
    "search": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "total_count": len(rows),
            "incomplete_results": False,
            "items": list(rows),
        },
        "/items",
    ),
    "list object": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "object": "list",
            "url": f"/v1/{noun}",
            "has_more": False,
            "data": list(rows),
        },
        "/data",
    ),
    "list kind": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "apiVersion": "v1",
            "kind": "PodList",
            "metadata": {"resourceVersion": "1"},
            "items": list(rows),
        },
        "/items",
    ),
    "video list": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "kind": "youtube#videoListResponse",
            "etag": "x",
            "pageInfo": {"totalResults": len(rows), "resultsPerPage": 5},
            "items": list(rows),
        },
        "/items",
    ),
    "bundle": (_bundle, "/entry"),
    "features": (_features, "/features"),
    "chat": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "ok": True,
            noun: list(rows),
            "cache_ts": 1498777272,
            "response_metadata": {"next_cursor": ""},
        },
        "/NOUN",
    ),
    "desk": (
        lambda rng, rows, noun: {  # noqa: ARG005
            noun: list(rows),
            "next_page": None,
            "previous_page": None,
            "count": len(rows),
        },
        "/NOUN",
    ),
    "soql": (
        lambda rng, rows, noun: {"totalSize": len(rows), "done": True, "records": list(rows)},  # noqa: ARG005
        "/records",
    ),
    "scan": (
        lambda rng, rows, noun: {"Items": list(rows), "Count": len(rows), "ScannedCount": len(rows)},  # noqa: ARG005
        "/Items",
    ),
    "map": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "version": 0.6,
            "generator": "Overpass API",
            "osm3s": {"timestamp_osm_base": "2025-01-01T00:00:00Z"},
            "elements": list(rows),
        },
        "/elements",
    ),
    "weather": (_weather, "/list"),
    "catalogue": (_catalogue, "/result/records"),
    "code and msg": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "code": 0,
            "msg": "ok",
            "data": {"list": list(rows), "total": len(rows)},
        },
        "/data/list",
    ),
    "table": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "draw": 1,
            "recordsTotal": len(rows),
            "recordsFiltered": len(rows),
            "data": list(rows),
        },
        "/data",
    ),
    "from xml": (
        lambda rng, rows, noun: {"catalog": {"@xmlns": "urn:x", noun: list(rows)}},  # noqa: ARG005
        "/catalog/NOUN",
    ),
    "export": (
        lambda rng, rows, noun: {  # noqa: ARG005
            "exported_at": "2025-01-01",
            "source": "crm",
            "export_id": "e-7",
            noun: list(rows),
        },
        "/NOUN",
    ),
}
# an empty list under any name may be a record's as well
_NEED_ROWS = frozenset({"from xml", "export", "chat"})

# what of each of several records may be a list of its own
_KNOWN_BY_BEING_ALONE = frozenset({"by noun", "content", "map", "from xml", "export"})

_AROUND_ONE: dict[str, tuple[Callable[[random.Random, Document], Document], str]] = {
    "data": (lambda rng, row: {"data": row}, "/data"),  # noqa: ARG005
    "status": (lambda rng, row: _shuffled(rng, {"status": "success", "data": row}), "/data"),
    "code": (lambda rng, row: {"code": 0, "message": "ok", "result": row}, "/result"),  # noqa: ARG005
    "d": (lambda rng, row: {"d": row}, "/d"),  # noqa: ARG005
    "nested": (lambda rng, row: {"response": {"data": row}, "version": "2"}, "/response/data"),  # noqa: ARG005
}

# -- records


def _order(rng: random.Random) -> Document:
    name, lines = (
        rng.choice(["id", "order_id", "orderNumber", "_id"]),
        rng.choice(["lines", "items", "orderLines"]),
    )
    return _shuffled(
        rng,
        {
            name: rng.randrange(10**6),
            **_some(rng, date=_day(rng), customer=rng.choice([rng.choice(_FIRST), _address(rng)])),
            **_some(rng, currency="EUR", status="paid", total=_money(rng), shipping=_address(rng)),
            lines: _several(rng, _line, 12),
        },
    )


def _order_without_id(rng: random.Random) -> Document:
    customer: Any = rng.choice([rng.choice(_FIRST), {"name": rng.choice(_FIRST), "email": "a@b.example"}])
    return _shuffled(
        rng,
        {
            "customer": customer,
            "date": _day(rng),
            **_some(rng, currency="EUR", total=_money(rng)),
            rng.choice(["lines", "items", "positions"]): _several(rng, _line),
        },
    )


def _customer(rng: random.Random) -> Document:
    who = {"name": rng.choice(_FIRST), "email": "a@b.example"}
    return _shuffled(
        rng,
        {
            **_some(rng, id=rng.randrange(999)),
            **who,
            rng.choice(["addresses", "orders", "contacts"]): _several(rng, _address),
        },
    )


def _product(rng: random.Random) -> Document:
    variants = [{"sku": f"V{n}", "size": size, "price": _money(rng)} for n, size in enumerate("SML")]
    return _some(rng, brand="Acme", description="x") | {
        "sku": "A-1",
        "name": "Shirt",
        "price": _money(rng),
        "variants": variants[: rng.randrange(4)],
        "images": _several(rng, lambda _: {"url": "https://a.example/1.png"}),
    }


def _invoice(rng: random.Random) -> Document:
    inner = {
        "number": f"2025-{rng.randrange(99)}",
        "date": _day(rng),
        "buyer": _address(rng),
        "lines": _several(rng, _line),
        "total": _money(rng),
    }
    return rng.choice([inner, {"invoice": inner}])


def _recipe(rng: random.Random) -> Document:
    return {
        "title": "Soup",
        "servings": 4,
        **_some(rng, cuisine="Thai", minutes=30),
        "ingredients": _several(rng, lambda _: {"name": "salt", "amount": "1 g"}, 12),
        "steps": _several(rng, lambda _: {"text": "Stir."}),
    }


def _article(rng: random.Random) -> Document:
    return {
        "slug": "a-b",
        "title": "A b",
        "body": "text " * 20,
        **_some(rng, author={"name": rng.choice(_FIRST)}, published=_day(rng), tags=["a", "b"]),
        "comments": _several(rng, lambda it: {"by": it.choice(_FIRST), "text": "Yes."}, 12),
    }


def _playlist(rng: random.Random) -> Document:
    return {
        "id": "p1",
        "type": "playlist",
        "name": "Mix",
        "owner": rng.choice(_FIRST),
        "tracks": _several(rng, lambda _: {"title": "x", "artist": "y", "length": 200}, 20),
    }


def _patient(rng: random.Random) -> Document:
    return {
        "resourceType": "Patient",
        "id": "p-7",
        "name": [{"family": "Lee", "given": ["Ann"]}],
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b.example"}],
        "gender": "female",
        **_some(rng, birthDate=_day(rng), address=[_address(rng)]),
    }


def _feature(rng: random.Random) -> Document:
    return {
        "type": "Feature",
        **_some(rng, id=7),
        "properties": _person(rng),
        "geometry": {"type": "Point", "coordinates": [1.5, 2.5]},
    }


def _device(rng: random.Random) -> Document:
    return {"deviceId": "d-1", **_some(rng, model="X2", site="Bath"), "readings": _several(rng, _reading, 20)}


def _person_with_history(rng: random.Random) -> Document:
    return {
        "firstName": rng.choice(_FIRST),
        "lastName": "Lee",
        **_some(rng, birthDate=_day(rng), address=_address(rng), married=True),
        "phones": _several(rng, lambda _: {"type": "home", "number": "555-1234"}),
        "jobs": _several(rng, lambda it: {"employer": "Acme", "since": _day(it)}),
    }


def _event(rng: random.Random) -> Document:
    return {
        "id": "evt_1",
        "type": "invoice.paid",
        "created": 1700000000,
        "data": {"object": {"id": "in_1", "amount": 500, "lines": {"data": _several(rng, _line)}}},
    }


def _commit(rng: random.Random) -> Document:
    return {
        "sha": "0a1b2c",
        "author": {"name": rng.choice(_FIRST), "date": _day(rng)},
        "message": "Mend it",
        "parents": _several(rng, lambda _: {"sha": "ffee", "url": "https://a.example/ffee"}, 2),
        "stats": {"additions": 1, "deletions": 2},
    }


def _country(rng: random.Random) -> Document:
    return {"name": "Ireland", "capital": "Dublin", "population": 5_000_000, "cities": _several(rng, _person)}


def _log_entry(rng: random.Random) -> Document:
    return {"timestamp": _day(rng), "level": "warn", "msg": "slow", "context": {"route": "/x", "ms": 900}}


def _flat(rng: random.Random) -> Document:
    return _person(rng)


_RECORDS: dict[str, Callable[[random.Random], Document]] = {
    "order": _order,
    "order without id": _order_without_id,
    "customer": _customer,
    "product": _product,
    "invoice": _invoice,
    "recipe": _recipe,
    "article": _article,
    "playlist": _playlist,
    "patient": _patient,
    "feature": _feature,
    "device": _device,
    "person": _person_with_history,
    "event": _event,
    "commit": _commit,
    "country": _country,
    "log entry": _log_entry,
    "flat": _flat,
}


def _turns(rng: random.Random) -> list[Document]:
    return [{"role": role, "content": "Hello"} for role in ("user", "assistant") * rng.randrange(1, 4)]


_LINES: dict[str, Callable[[random.Random], Document]] = {
    "turns": lambda rng: {"messages": _turns(rng)},
    "conversations": lambda rng: {"conversations": _turns(rng), **_some(rng, system="Be kind.")},
    "typed turn": lambda rng: {
        "role": "user",
        "content": [{"type": "text", "text": "Hi"}] * rng.randrange(1, 3),
    },
    "typed message": lambda rng: {"type": "assistant", "message": {"role": "user", "content": _turns(rng)}},
    "entities": lambda rng: {"text": "Ada in York", "entities": _several(rng, _line)},
    "tokens": lambda rng: {"tokens": _several(rng, _line)},
    "source": lambda rng: {"_index": "a", "_id": "1", "_source": _order(rng)},
    "item": lambda rng: {"Item": {"id": {"S": "1"}, "n": {"N": str(rng.randrange(9))}}},
    "change": lambda rng: {"op": "u", "before": _person(rng), "after": _person(rng), "ts_ms": 1},
    "payload": lambda rng: {"payload": {"before": _person(rng), "after": _person(rng)}},
    "data": lambda rng: {"data": _person(rng)},
    "basket": lambda rng: {"visitor": "v1", "items": _several(rng, _line)},
}
