"""Find characters in bytes, column-wise."""

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.formats.csv.grammar import CR, LF


def equal(octets: pa.Array, char: int) -> pa.Array:
    """Compare octets with a scalar of their own type: Arrow would widen all of them for a bare number."""
    return pc.equal(octets, pa.scalar(char, pa.uint8()))


def bare_cr(octets: pa.Array, *, at_end: bool) -> pa.Array:
    """Return where CRs stand that are not the first half of a CRLF.

    ``at_end``: whether the last byte may be one.
    """
    next_is_lf = pa.concat_arrays([equal(octets, LF).slice(1), pa.array([not at_end])])
    return pc.and_(equal(octets, CR), pc.invert(next_is_lf))
