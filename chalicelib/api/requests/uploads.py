"""The body of `POST /uploads`.

`docs/reference/http-api.md` explains its members, `docs/reference/reading.md` the options.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, structs

from chalicelib.api.problems import TooLarge
from chalicelib.api.requests.parsing import Body, TextEncoding, parse
from chalicelib.core.budget import PERCENTAGE_PATTERN, BeyondLimit, Budget, OnFailure
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Instructions
from chalicelib.core.model import BLANKS, ExtraCells, Format, Options, ShortRows
from chalicelib.core.names import DATASET_PATTERN, LONGEST_FILENAME, TEXT_PATTERN, shown
from chalicelib.core.options import check_options
from chalicelib.core.uploads import MOST_LABELS, MOST_METADATA_BYTES, UploadRequest, metadata_size

_LONGEST_LABEL = 200  # characters
_LARGEST_NUMBER = 10**15  # below 2**53, so every JSON reader reads it exactly
_MOST_LINES = 1000  # to skip
_MOST_TOKENS = 100  # missing values
_LONGEST_TOKEN = 100  # characters
_LONGEST_POINTER = 1000  # characters

Filename = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_FILENAME,
        pattern=rf"\A(?=[\s\S]*\S){TEXT_PATTERN}",  # not only white space
        description=f"a text of 1 to {LONGEST_FILENAME} characters",
    ),
]
Dataset = Annotated[
    str,
    Meta(
        pattern=DATASET_PATTERN,
        description="1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit",
    ),
]
Sha256 = Annotated[
    str,
    Meta(pattern=r"\A[0-9a-fA-F]{64}\Z", description="a SHA-256 in hexadecimal: 64 of 0-9 and a-f"),
]
Size = Annotated[int, Meta(ge=0, description="the file's size in bytes, a whole number")]
FileFormat = Annotated[Format, Meta(description=f"one of {', '.join(Format)}")]
ParentJob = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z",
        description="the id of a job, a UUID such as 73a3eb48-477f-4fcb-bd18-1865d0026c05",
    ),
]
Flag = Annotated[bool, Meta(description="true or false")]
_MAX_REJECTS = 'a whole number of records, or a percentage from "0%" to "100%" with up to 4 decimals'
MaxRejects = (
    Annotated[int, Meta(ge=0, lt=_LARGEST_NUMBER, description=_MAX_REJECTS)]
    | Annotated[str, Meta(pattern=PERCENTAGE_PATTERN)]
)
BeyondLimitChoice = Annotated[BeyondLimit, Meta(description=f"one of {', '.join(BeyondLimit)}")]
OnFailureChoice = Annotated[OnFailure, Meta(description=f"one of {', '.join(OnFailure)}")]
Label = Annotated[str, Meta(max_length=_LONGEST_LABEL, pattern=TEXT_PATTERN)]
WholeNumber = Annotated[int, Meta(gt=-_LARGEST_NUMBER, lt=_LARGEST_NUMBER)]
Number = Annotated[float, Meta(gt=-float(_LARGEST_NUMBER), lt=float(_LARGEST_NUMBER))]
Metadata = Annotated[
    dict[Label, Label | WholeNumber | Number | bool],
    Meta(
        max_length=MOST_LABELS,
        description=f"an object of up to {MOST_LABELS} texts, numbers or booleans, "
        f"each name and text up to {_LONGEST_LABEL} characters",
    ),
]


_CHARACTER = r"\A[\t\x20-\x7e]\Z"
Character = Annotated[str, Meta(pattern=_CHARACTER, description="one printable ASCII character")]
Delimiter = Annotated[
    str,
    Meta(
        pattern=rf"\A(?:[\x01-\x09\x0b\x0c\x0e-\x7e]|{BLANKS})\Z",
        description=f"one ASCII character except a line ending, or {BLANKS} for runs of spaces and tabs",
    ),
]
Quote = Annotated[
    str,
    Meta(
        pattern=r"\A[\t\x21-\x7e]?\Z",
        description="one printable ASCII character, or empty for a file without quotes",
    ),
]
Escape = Annotated[
    str,
    Meta(
        pattern=r"\A[\t\x20-\x7e]?\Z",
        description="one printable ASCII character, or empty for a file without escapes",
    ),
]
Encoding = Annotated[
    TextEncoding,
    Meta(
        description="the name of an encoding in which each character stands for itself, such as utf-8, "
        "cp1252, utf-16 or shift_jis: no encoding with escapes or shifts, such as utf-7, "
        "or of names, such as idna"
    ),
]
Lines = Annotated[int, Meta(ge=0, le=_MOST_LINES, description=f"a whole number from 0 to {_MOST_LINES}")]
Decimal = Annotated[Literal[".", ","], Meta(description="one of . and ,")]
ShortRowsChoice = Annotated[ShortRows, Meta(description=f"one of {', '.join(ShortRows)}")]
ExtraCellsChoice = Annotated[ExtraCells, Meta(description=f"one of {', '.join(ExtraCells)}")]
JsonPointer = Annotated[
    str,
    Meta(
        max_length=_LONGEST_POINTER,
        pattern=r"\A(?:/(?:[^~/]|~[01])*)*\Z",
        description="a JSON pointer (RFC 6901), such as /data",
    ),
]
DateOrder = Annotated[Literal["DMY", "MDY", "YMD"], Meta(description="one of DMY, MDY, YMD")]
Token = Annotated[str, Meta(max_length=_LONGEST_TOKEN, pattern=TEXT_PATTERN)]
Tokens = Annotated[
    tuple[Token, ...], Meta(max_length=_MOST_TOKENS, description=f"a list of up to {_MOST_TOKENS} texts")
]


class OptionsBody(Body):
    """The options of a file. Sluice detects a missing member from the file; null is an error."""

    delimiter: Delimiter | UnsetType = UNSET
    quote: Quote | UnsetType = UNSET
    escape: Escape | UnsetType = UNSET
    skip_initial_space: Flag | UnsetType = UNSET
    encoding: Encoding | UnsetType = UNSET
    header: Flag | UnsetType = UNSET
    skip_lines: Lines | UnsetType = UNSET
    skip_after_header: Lines | UnsetType = UNSET
    comment: Character | UnsetType = UNSET
    short_rows: ShortRowsChoice | UnsetType = UNSET
    extra_cells: ExtraCellsChoice | UnsetType = UNSET
    decimal: Decimal | UnsetType = UNSET
    date_order: DateOrder | UnsetType = UNSET
    missing_values: Tokens | UnsetType = UNSET
    records: JsonPointer | UnsetType = UNSET

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a value that is not an object."""
        return InvalidRequest(f"{path} must be an object.", field=path)

    @classmethod
    def unknown_member(cls, path: str, name: str) -> InvalidRequest:
        """Return the error for an option that does not exist."""
        return InvalidRequest(f"There is no option {shown(name)}.", field=f"{path}.{name}")


class UploadBody(Body):
    """A request to upload a file. Null counts as a missing member."""

    filename: Filename
    dataset: Dataset | None = None
    format: FileFormat | None = None
    size: Size | None = None
    metadata: Metadata | None = None
    options: OptionsBody | None = None
    sha256: Sha256 | None = None
    force: Flag | None = None
    max_rejects: MaxRejects | None = None
    on_failure: OnFailureChoice | None = None
    rejects_beyond_limit: BeyondLimitChoice | None = None
    part_checksums: Flag | None = None
    parent_job: ParentJob | None = None
    preview: Flag | None = None

    @classmethod
    def wrong_form(cls, path: str) -> InvalidRequest:
        """Return the error for a body that is not an object."""
        return InvalidRequest(
            'The body must be a JSON object such as {"filename": "people.csv"}.', field=path or None
        )


def parse_upload(body: object, *, max_size: int) -> UploadRequest:
    """Return the request in a JSON body; ``max_size`` is in bytes.

    Raises InvalidRequest naming the member that is wrong, TooLarge for a file over ``max_size``.
    """
    parsed = parse(body, UploadBody)
    options = parsed.options or OptionsBody()
    if parsed.size is not None and parsed.size > max_size:
        raise TooLarge(f"The file is larger than {max_size:,} bytes.", field="size")
    if parsed.metadata is not None:
        check_metadata_size(parsed.metadata, MOST_METADATA_BYTES)
    return UploadRequest(
        filename=parsed.filename,
        dataset=parsed.dataset,
        instructions=Instructions(
            format=parsed.format,
            options=to_options(options),
            metadata=parsed.metadata,
            force=bool(parsed.force),
            parent_job=UUID(parsed.parent_job) if parsed.parent_job else None,
            preview=bool(parsed.preview),
            max_rejects=None if parsed.max_rejects is None else Budget.parse(parsed.max_rejects),
            on_failure=parsed.on_failure or OnFailure.KEEP,
            rejects_beyond_limit=parsed.rejects_beyond_limit or BeyondLimit.FAIL,
        ),
        declared=frozenset(option_members(options)),
        size=parsed.size,
        sha256=parsed.sha256.lower() if parsed.sha256 else None,
        part_checksums=bool(parsed.part_checksums),
    )


def check_metadata_size(metadata: Mapping[str, Any], most: int) -> None:
    """Raise InvalidRequest if all labels together have more than ``most`` bytes."""
    size = metadata_size(metadata)
    if size > most:
        raise InvalidRequest(
            f"metadata may have {most:,} bytes in all, as JSON in UTF-8; this has {size:,}.",
            field="metadata",
        )


def option_members(body: OptionsBody) -> dict[str, Any]:
    """Return the options that a body names, with their values."""
    return {name: value for name, value in structs.asdict(body).items() if value is not UNSET}


def to_options(body: OptionsBody) -> Options:
    """Return the options in the body. Raises InvalidRequest when one character has two meanings."""
    options = Options(**option_members(body))
    check_options(options)
    return options
