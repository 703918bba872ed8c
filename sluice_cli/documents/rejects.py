"""The document of a rejects file: it is being made, or can be downloaded."""

from dataclasses import dataclass
from typing import Self

from sluice_cli.documents.members import as_object, count, optional_text, required_text

EXCERPTS = "excerpts"
_MADE = "made"


@dataclass(frozen=True)
class RejectsFile:
    """A rejects file. ``url`` is None until it is made; ``retry_after`` is in seconds."""

    url: str | None
    rejects: int
    source: str | None
    retry_after: float | None

    @property
    def has_excerpts(self) -> bool:
        """Return whether at least some records in it are excerpts, because the file is gone."""
        return self.source == EXCERPTS

    @classmethod
    def read(cls, answer: object, retry_after: float | None) -> Self:
        """Read the document. Raises UnexpectedResponseError if ``answer`` is not one."""
        document = as_object(answer, "a rejects file")
        is_made = required_text(document, "status") == _MADE
        return cls(
            url=required_text(document, "url") if is_made else None,
            rejects=count(document, "rejects"),
            source=optional_text(document.get("source")),
            retry_after=retry_after,
        )
