"""List the rejects of a dataset, across its jobs, at a cost that does not depend on what is asked for."""

from collections.abc import Sequence
from datetime import timedelta

from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.backends.postgres.jobs import within
from chalicelib.backends.postgres.mappers import Row, dataset_reject_of, reach_parameters
from chalicelib.core.access import Reach
from chalicelib.core.jobs import DatasetReject, DatasetRejects, RejectFilters, RejectsPosition

_SQL = load_queries("dataset_rejects.sql")
# What a page looks at, at most. docs/reference/http-api.md tells.
MOST_JOBS = 1_000
MOST_REJECTS = 10_000  # with a filter for them
# In the ledgers of its jobs, unless one job has more: to number a record, the blocks before it are summed.
MOST_BLOCKS = 20_000
_NEWEST: RejectsPosition = (2**63 - 1, 0, 0)
# A job has its number soon after its `created_at`, when its transaction began: one with a lower number is
# newer by less than this.
_DISORDER = timedelta(hours=1)


def select_dataset_rejects(  # noqa: PLR0913 - the page
    connection: Connection,
    dataset_id: int,
    reach: Reach | None,
    filters: RejectFilters,
    *,
    limit: int,
    start: RejectsPosition | None,
) -> DatasetRejects:
    """Return rejects of a tenant's dataset: see :class:`chalicelib.service.register.JobRegister`."""
    number, block_no, record = start or _NEWEST
    at = {"dataset_id": dataset_id, "number": number, "block_no": block_no, "record": record}
    connection.execute(_SQL["read_in_order"])
    window = connection.execute(_SQL["window"], {**at, "jobs": MOST_JOBS}).fetchone()
    if window is None or not window["jobs"]:
        return DatasetRejects(())
    most = limit if filters.code is None and filters.field is None else MOST_REJECTS
    parameters = {
        **at,
        "first": window["first"],
        "last": window["last"],
        "since": filters.since,
        "until": filters.until,
        "code": filters.code,
        "field": filters.field,
        "most": most,
        "limit": limit + 1,  # the last one may not be wanted
        **reach_parameters(reach),
    }
    rows = connection.execute(f"{_SQL['walk']} {within(reach)} {_SQL['walked']}", parameters).fetchall()
    wanted = [row for row in rows if row["is_wanted"]][:limit]
    shown = _within_ledgers(wanted)
    rejects = _numbered(connection, shown)
    if len(shown) < len(wanted):
        return DatasetRejects(rejects, _position(wanted[len(shown)]))
    if len(wanted) == limit:
        return DatasetRejects(rejects, rejects[-1].next_position)
    if rows and rows[-1]["is_last"]:
        last_number, last_block, last_record = _position(rows[-1])
        return DatasetRejects(rejects, (last_number, last_block, last_record + 1))
    return DatasetRejects(rejects, _behind(window, filters))


def _behind(window: Row, filters: RejectFilters) -> RejectsPosition | None:
    """Return the position behind the jobs of the window; None if all that are wanted are in it."""
    is_all = window["jobs"] < MOST_JOBS
    is_older = filters.since is not None and window["oldest"] < filters.since - _DISORDER
    return None if is_all or is_older else (window["last"] - 1, 0, 0)


def _within_ledgers(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the first rows, one job's at least, whose ledgers have MOST_BLOCKS blocks up to theirs."""
    blocks: dict[object, int] = {}  # by job, at most: they lie on a grid
    for index, row in enumerate(rows):
        blocks[row["job_id"]] = row["block_no"] + 1
        if len(blocks) > 1 and sum(blocks.values()) > MOST_BLOCKS:
            return rows[:index]
    return rows


def _numbered(connection: Connection, rows: Sequence[Row]) -> list[DatasetReject]:
    """Return the rejects in the rows, with their places in the files."""
    if not rows:
        return []
    shown = list({(row["job_id"], row["block_no"]): None for row in rows})
    connection.execute(_SQL["join_by_hash"])
    parameters = {"job_ids": [job_id for job_id, _ in shown], "blocks": [block_no for _, block_no in shown]}
    blocks = {
        (block["job_id"], block["block_no"]): block
        for block in connection.execute(_SQL["blocks"], parameters)
    }
    return [dataset_reject_of(row, blocks[row["job_id"], row["block_no"]]) for row in rows]


def _position(row: Row) -> RejectsPosition:
    return row["number"], row["block_no"], row["ordinal"]
