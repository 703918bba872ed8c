"""Builds workers over ports in memory."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from chalicelib.core.jobs import Claim, Job
from chalicelib.core.memory_budget import MemoryBudget
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.object_store import ObjectStore
from chalicelib.service.attempt import Attempts
from chalicelib.service.block_memory import BlockMemory
from chalicelib.service.ingestion import Ingester, IngestionLimits, Result
from chalicelib.service.message_handler import MessageHandler
from chalicelib.service.preview import Previewer
from tests.support.fakes import MemoryJobs, MemoryQueue
from tests.support.rejects import new_maker


def new_ingester(jobs: MemoryJobs, store: ObjectStore, **changes: Any) -> Ingester:
    """Return an ingester; ``changes`` name its fields or those of its limits."""
    limits = IngestionLimits(
        text=DecompressionLimits(size=1 << 30, ratio=1000, seconds=60),
        max_upload=10_000,
        max_record=1000,
        read_size=1 << 20,
        range_size=0,
        loaders=2,
        memory=MemoryBudget(350 << 20),
    )
    bounds = {field.name for field in fields(IngestionLimits)}
    limits = replace(limits, **{name: value for name, value in changes.items() if name in bounds})
    made = Ingester(jobs, jobs, store, MemoryQueue(), lambda: jobs, limits, BlockMemory(limits.memory.blocks))
    return replace(made, **{name: value for name, value in changes.items() if name not in bounds})


def new_previewer(jobs: MemoryJobs, ingester: Ingester, **changes: Any) -> Previewer:
    """Return a previewer with the ingester's store and limits; ``changes`` name its fields."""
    return replace(Previewer(jobs, jobs, ingester.store, ingester.limits), **changes)


def ingest(work: Job | Claim, ingester: Ingester, keep_going: Callable[[], bool]) -> Result:
    """Ingest a claim, or a job as a whole."""
    claim = work if isinstance(work, Claim) else Claim(work, "me", None, 1)
    return ingester.ingest(claim, keep_going)


def new_handler(
    jobs: MemoryJobs,
    ingester: Ingester,
    queue: MemoryQueue,
    worker: str = "me",
    *,
    outage_seconds: float = 60,
    **changes: Any,
) -> MessageHandler:
    """Return a message handler; ``changes`` name its fields."""
    previewer = new_previewer(jobs, ingester)
    attempts = Attempts(
        jobs,
        ingester,
        previewer,
        jobs,
        jobs,
        new_maker(jobs, ingester, queue.max_deliveries),
        max_attempts=queue.max_deliveries,
        outage_seconds=outage_seconds,
    )
    handler = MessageHandler(
        jobs, jobs, attempts, queue, queue, worker, lease_seconds=30, heartbeat_seconds=10
    )
    return replace(handler, **changes)


def with_ingester(handler: MessageHandler, **changes: Any) -> MessageHandler:
    """Return the handler with other values for fields of its ingester."""
    ingester = replace(handler.attempts.ingester, **changes)
    previewer = replace(handler.attempts.previewer, store=ingester.store, limits=ingester.limits)
    return replace(handler, attempts=replace(handler.attempts, ingester=ingester, previewer=previewer))
