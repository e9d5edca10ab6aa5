"""Where the next page begins, and of which query: opaque to clients, meaningless elsewhere."""

import base64
import binascii
import hashlib
import json
import struct
from dataclasses import dataclass

from servicekit.errors import InvalidArgument

_VERSION = 2
_HEAD = struct.Struct(">BBI16s")
_CHECK_BYTES = 8
_RANKED, _LISTED = 0, 1


@dataclass(frozen=True, slots=True)
class RankedPage:
    """A page of a ranking.

    Attributes:
      query_digest: 16 bytes.
      offset: results before the page.
      no_good_match: what the first page said; None if it did not.
      category: that the first page inferred and searched in; empty: none.
    """

    query_digest: bytes
    offset: int
    embedding_version: str
    no_good_match: bool | None = None
    category: str = ""


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page of a list without ranking; `token` is the indexer's own."""

    query_digest: bytes
    token: str


def query_digest(query: bytes) -> bytes:
    """16 bytes that stand for a query."""
    return hashlib.blake2b(query, digest_size=16, person=b"lookalike-query").digest()


def write_token(page: RankedPage | ListedPage) -> str:
    """The token of a page."""
    if isinstance(page, RankedPage):
        head = _HEAD.pack(_VERSION, _RANKED, page.offset, page.query_digest)
        told = [page.embedding_version, page.no_good_match, page.category]
        tail = json.dumps(told, separators=(",", ":")).encode()
    else:
        head = _HEAD.pack(_VERSION, _LISTED, 0, page.query_digest)
        tail = page.token.encode()
    body = head + tail
    return base64.urlsafe_b64encode(_check(body) + body).rstrip(b"=").decode()


def read_token(token: str, expected_digest: bytes) -> RankedPage | ListedPage:
    """The page of a token that was made for this query.

    Raises:
      InvalidArgument: PAGE_TOKEN_INVALID; it was altered, or made elsewhere or for another query.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        version, kind, offset, digest = _HEAD.unpack_from(body)
        tail = body[_HEAD.size :].decode()
    except (binascii.Error, struct.error, UnicodeError, ValueError):
        raise _invalid("The page token was not made by this service.") from None
    if check != _check(body) or version != _VERSION or kind not in (_RANKED, _LISTED):
        raise _invalid("The page token was not made by this service.")
    if digest != expected_digest:
        raise _invalid("The page token belongs to another query.")
    if kind == _RANKED:
        # The check above says that these are our own words.
        embedding_version, no_good_match, category = json.loads(tail)
        return RankedPage(digest, offset, embedding_version, no_good_match, category)
    return ListedPage(digest, tail)


def _check(body: bytes) -> bytes:
    # Catches accidents and tampering fingers; a token grants nothing that a query does not.
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES, person=b"lookalike-page").digest()


def _invalid(message: str) -> InvalidArgument:
    return InvalidArgument(message, reason="PAGE_TOKEN_INVALID", field="page_token")
