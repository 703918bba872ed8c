"""Object keys lead to their jobs."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.service.object_keys import upload_key, uploaded_job_id


@given(st.text(max_size=300), st.uuids())
def test_any_file_name_makes_a_safe_key_that_leads_to_its_job(filename: str, job_id: UUID) -> None:
    key = upload_key("acme", "crm", job_id, filename)
    assert uploaded_job_id(key) == job_id
    assert len(key) < 250
    assert key.isascii()
    assert key.count("/") == 4
    assert uploaded_job_id(key.replace("/acme/", "/")) == job_id  # as keys were before there were tenants
    assert not key.rpartition("/")[2].startswith(".")


@pytest.mark.parametrize(
    "key", ["", "x", "uploads/a/b/c", "uploads/a", f"other/a/{UUID(int=1)}/f", f"uploads/{UUID(int=1)}"]
)
def test_other_keys_lead_to_no_job(key: str) -> None:
    assert uploaded_job_id(key) is None
