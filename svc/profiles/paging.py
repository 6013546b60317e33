"""Page tokens: opaque, made by one database for one tenant, useless anywhere else."""

import base64
import binascii
import hmac

from svc.errors import InvalidRequestError
from svc.profiles.encryption import binding

_TAG_BYTES = 16


class PageTokens:
    """A token is the last profile_id of a page under a tag that needs the database's secret to make."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def after(self, tenant: str, profile_id: str) -> str:
        """The token of the page that starts after profile_id."""
        return base64.urlsafe_b64encode(self._tag(tenant, profile_id) + profile_id.encode()).decode()

    def last_of(self, tenant: str, token: str) -> str:
        """The profile_id a token stands for. Raises InvalidRequestError when it is not one of this tenant's."""
        try:
            content = base64.urlsafe_b64decode(token)
            profile_id = content[_TAG_BYTES:].decode()
        except (binascii.Error, ValueError):
            content, profile_id = b"", ""
        if not hmac.compare_digest(content[:_TAG_BYTES], self._tag(tenant, profile_id)):
            raise InvalidRequestError(
                "page_token is not from a page of this list; start without one", field="page_token"
            )
        return profile_id

    def _tag(self, tenant: str, profile_id: str) -> bytes:
        return hmac.digest(self._secret, binding("page", tenant, profile_id), "sha256")[:_TAG_BYTES]
