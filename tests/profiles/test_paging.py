"""Listing page by page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.profiles.paging import PageTokens
from svc.profiles.sqlite import SqliteProfileStore


@given(st.text(), st.text())
def test_a_token_stands_for_the_profile_it_was_made_for(tenant: str, profile_id: str) -> None:
    tokens = PageTokens(b"secret")
    assert tokens.last_of(tenant, tokens.after(tenant, profile_id)) == profile_id


@given(st.text(max_size=60))
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        PageTokens(b"secret").last_of("acme", token)


@pytest.mark.parametrize(("tenant", "secret"), [("other", b"secret"), ("acme", b"other")])
def test_a_token_is_useless_elsewhere(tenant: str, secret: bytes) -> None:
    token = PageTokens(b"secret").after("acme", "jo")
    with pytest.raises(InvalidRequestError):
        PageTokens(secret).last_of(tenant, token)


@pytest.mark.parametrize("page_size", [1, 3, 7, 8])
def test_pages_join_to_the_whole_list_in_order(store: SqliteProfileStore, page_size: int) -> None:
    names = ["b", "a", "B", "z9", "a.b", "a-b", "0"]
    for name in names:
        store.create("acme", profile_id=name, consent_reference="form")
    store.create("other", profile_id="a2", consent_reference="form")
    listed, token = store.list("acme", page_size=page_size)
    while token:
        page, token = store.list("acme", page_size=page_size, page_token=token)
        assert 0 < len(page) <= page_size
        listed += page
    assert [profile.profile_id for profile in listed] == sorted(names)


@pytest.mark.parametrize("page_size", [0, -1, 1001])
def test_page_sizes_out_of_range_are_refused(store: SqliteProfileStore, page_size: int) -> None:
    with pytest.raises(InvalidRequestError, match="page_size"):
        store.list("acme", page_size=page_size)
