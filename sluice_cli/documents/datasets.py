"""Documents about datasets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sluice_cli.documents.members import Document, as_object, optional_object, required_text
from sluice_cli.escaping import safe


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
