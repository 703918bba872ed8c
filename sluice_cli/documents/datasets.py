"""Documents about datasets: default options and erasures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sluice_cli.documents.members import (
    Document,
    as_object,
    count,
    optional_list,
    optional_object,
    required_text,
)
from sluice_cli.escaping import safe

_PAUSE = 10.0  # seconds, where the API names none


@dataclass(frozen=True)
class DatasetOptions:
    """The default options of a dataset's files, with their values in JSON."""

    document: Document
    dataset: str
    options: Mapping[str, str]

    @classmethod
    def read(cls, answer: object) -> Self:
        """Read the options of a dataset. Raises UnexpectedResponseError if ``answer`` is something else."""
        document = as_object(answer, "the options of a dataset")
        options = optional_object(document, "options")
        return cls(
            document=document,
            dataset=safe(required_text(document, "dataset")),
            options={safe(name): safe(json.dumps(value)) for name, value in options.items()},
        )


@dataclass(frozen=True)
class Erasure:
    """An erasure of one person's records."""

    document: Document
    erasure_id: str
    dataset: str
    is_completed: bool
    waits_for: tuple[str, ...]  # ids of jobs
    sentence: str  # about how far it is
    pause: float  # seconds, until it is worth another look

    @classmethod
    def read(cls, answer: object, retry_after: float | None) -> Self:
        """Read an erasure's document. Raises UnexpectedResponseError if ``answer`` is something else."""
        document = as_object(answer, "an erasure")
        is_completed = document.get("completed_at") is not None
        rows, rejects, objects = (f"{count(document, name):,}" for name in ("rows", "rejects", "objects"))
        done = f"rows: {rows}, rejects emptied: {rejects}, files: {objects}"
        return cls(
            document=document,
            erasure_id=safe(required_text(document, "id")),
            dataset=safe(required_text(document, "dataset")),
            is_completed=is_completed,
            waits_for=tuple(safe(it) for it in optional_list(document, "waits_for")),
            sentence=f"{'Erased' if is_completed else 'Erased so far'}: {done}.",
            pause=_PAUSE if retry_after is None else retry_after,
        )
