"""Bytes in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure; through obstore (extra ``objects``).

Credentials, region and endpoint come from the environment, as each cloud's own tools have them, and from the settings'
table ``blobs_options``. Timeouts and retries are obstore's own. An object that is new is written by a conditional
create, so the same bytes are kept once whoever writes first; a large one goes in parts, and appears whole at the end.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BlobsFailed, NotFound, UsageError
from pipeline.shelves import Stored

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

SCHEMES = ("s3", "gs", "az")

_PART_BYTES = 8 * 2**20
"""Objects above this go in parts, several at once."""

_RETRY_WITHIN_S = 60
"""A request is tried again for so long: a run then stops, and goes on later, instead of standing still."""

_PAGE = 1000
_CLIENT_KEYS = (
    *("allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only", "proxy_url"),
    *("pool_idle_timeout", "pool_max_idle_per_host", "proxy_ca_certificate", "proxy_excludes", "read_timeout"),
    *("root_certificate", "timeout", "user_agent"),
)
_RETRY_KEYS = ("max_retries", "retry_timeout_s")
_KEPT_BY_BROWSERS = "private, max-age=86400, immutable"


class ObjectShelf:
    """A bucket, or what is below a prefix in it.

    Args:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``.
        options: obstore's names for the store (``aws_endpoint``, ``aws_region``), its client (``timeout``,
            ``allow_http``) and its retries (``max_retries``, ``retry_timeout_s``, seconds).

    Raises:
        UsageError: This is no such URL.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        if not re.fullmatch(rf"({'|'.join(SCHEMES)})://[^/@?#\s]+(/[^@?#\s]*)?", url):
            raise UsageError(f"found {url!r}; expected a folder, or a URL such as s3://bucket/prefix")
        self.title = url
        self._options = dict(options)

    def write(self, name: str, data: bytes, *, media_type: str) -> None:
        """Keep bytes; see `Shelf`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        if len(data) > _PART_BYTES:  # what goes in parts cannot be conditional; the same bytes twice do no harm
            if self.stat(name) is None:
                self.replace(name, data, media_type=media_type)
            return
        with self._told(name):
            try:
                obstore.put(self._store, name, data, mode="create", attributes=_attributes(media_type))
            except AlreadyExistsError:
                return

    def replace(self, name: str, data: bytes, *, media_type: str) -> None:
        """Keep bytes in place of others; see `Shelf`."""
        import obstore

        with self._told(name):
            is_large = len(data) > _PART_BYTES
            attributes = _attributes(media_type)
            obstore.put(self._store, name, data, attributes=attributes, use_multipart=is_large, chunk_size=_PART_BYTES)

    def send(self, name: str, path: Path, *, media_type: str) -> None:
        """Put a file there for others to read, in place of what there is; a large one goes in parts."""
        import obstore

        with self._told(name):
            is_large = path.stat().st_size > _PART_BYTES
            attributes: Any = {"Content-Type": media_type}
            obstore.put(self._store, name, path, attributes=attributes, use_multipart=is_large, chunk_size=_PART_BYTES)

    def read(self, name: str) -> bytes:
        """The bytes of that name; see `Shelf`."""
        import obstore

        with self._told(name):
            return bytes(obstore.get(self._store, name).bytes())

    def stat(self, name: str) -> Stored | None:
        """What is known of the object; see `Shelf`."""
        import obstore

        try:
            with self._told(name):
                return _stored(obstore.head(self._store, name))
        except NotFound:
            return None

    def each(self, folder: str = "") -> Iterator[Stored]:
        """Every object; see `Shelf`."""
        import obstore

        with self._told(folder):
            for page in obstore.list(self._store, folder or None, chunk_size=_PAGE):
                yield from map(_stored, page)

    def remove(self, name: str) -> None:
        """Remove an object; see `Shelf`."""
        import obstore

        try:
            with self._told(name):
                obstore.delete(self._store, name)
        except NotFound:
            return

    def move(self, name: str, to: str) -> None:
        """Copy within the bucket, then remove; see `Shelf`."""
        import obstore

        with self._told(name):
            obstore.copy(self._store, name, to)
        self.remove(name)

    def sweep(self, *, older_than_s: float = 0) -> int:
        """None: what was not finished never becomes an object; a rule of the bucket removes left parts."""
        return 0

    def signed_url(self, name: str, *, life_s: int) -> str | None:
        """A URL that opens this object alone; None if the credentials cannot sign."""
        import obstore
        from obstore.exceptions import BaseError

        store = self._store
        try:
            return obstore.sign(store, "GET", name, timedelta(seconds=life_s))
        except (BaseError, ValueError):  # without a key, or by a role that cannot sign
            return None

    @cached_property
    def _store(self) -> "S3Store | GCSStore | AzureStore":
        try:
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as exc:
            raise UsageError(f"{self.title}: pip install 'picturedesk[objects]' to keep pictures there") from exc
        client = {"timeout": "60s", **{name: self._options[name] for name in _CLIENT_KEYS if name in self._options}}
        own = {name: value for name, value in self._options.items() if name not in (*_CLIENT_KEYS, *_RETRY_KEYS)}
        retry: Any = {
            "max_retries": int(self._options.get("max_retries", 10)),
            "retry_timeout": timedelta(seconds=float(self._options.get("retry_timeout_s", _RETRY_WITHIN_S))),
        }
        try:
            return from_url(self.title, config=own, client_options=client, retry_config=retry)  # type: ignore[call-overload, no-any-return]
        except (BaseError, ValueError, TypeError) as exc:
            raise UsageError(f"options of {self.title}: {_first_line(exc)}") from exc

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as exc:
            if _NO_BUCKET.search(str(exc)):
                raise BlobsFailed(f"{self.title}: {_WITHOUT_BUCKET}") from exc
            raise NotFound(f"{name} is missing from {self.title}; restore it from a backup") from exc
        except BaseError as exc:
            raise BlobsFailed(f"{self.title}: {_what_to_do(exc)}") from exc


_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|The specified bucket does not exist")
_WITHOUT_BUCKET = "there is no such bucket; make it, or name another one"
_KEYS = "mend the keys in the environment or in the bucket's options"
_SAID: tuple[tuple[str, str], ...] = (
    (_NO_BUCKET.pattern, _WITHOUT_BUCKET),
    (
        "InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|AuthenticationFailed",
        f"it refused the key; {_KEYS}",
    ),
    (
        "169[.]254[.]169[.]254|metadata[.]google|[Mm]issing credential|CredentialsNotLoaded",
        f"no key was found; {_KEYS}",
    ),
    ("RequestTimeTooSkewed", "this machine's clock is wrong; set it, and run again"),
    (
        "403 Forbidden|AccessDenied|PermissionDenied",
        "this key may not do that; give it the right to list, read, write and delete there",
    ),
    ("401 Unauthorized|Unauthenticated", f"it refused the key; {_KEYS}"),
    (
        "URL scheme is not allowed|HTTP error: builder error",
        "it is plain http; set allow_http = true in the bucket's options if that is meant",
    ),
)


def _what_to_do(exc: Exception) -> str:
    text = f"{type(exc).__name__} {exc}"
    for pattern, words in _SAID:
        if re.search(pattern, text):
            return words
    if "InvalidPath" in text:  # a bucket takes names such as a//b.png, and its list cannot be read past them
        return f"{_first_line(exc)}; rename or remove that object, and run again"
    return f"it does not answer as it should ({_first_line(exc)}); look after it, and run again"


def _first_line(exc: Exception) -> str:
    """What went wrong, without the library's inner life, and without a query that could hold a signature."""
    return re.sub(r"\?\S*", "", str(exc).partition("\n")[0].partition(": <?xml")[0])[:300]


def _attributes(media_type: str) -> Any:  # noqa: ANN401 - obstore's TypedDict
    attributes = {"Content-Type": media_type, "Cache-Control": _KEPT_BY_BROWSERS}
    if not media_type.startswith("image/"):
        attributes["Content-Disposition"] = "attachment"
    return attributes


def _stored(meta: Mapping[str, Any]) -> Stored:
    return Stored(meta["path"], meta["size"], meta["last_modified"])
