"""Amazon's Signature Version 4, computed anew from the request that came: not by the library that signed it.

By docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, read 2026-11-21.
"""

import hashlib
import hmac
import re

from starlette.requests import Request

SECRET_KEY = "fake-secret"  # noqa: S105 - the fake's own
"""What every access key of the fake goes with."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/"
    r"(?P<scope>(?P<day>\d{8})/(?P<region>[\w-]+)/(?P<service>\w+)/aws4_request), "
    r"SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


async def signer_of(request: Request) -> str | None:
    """The access key of whoever signed this request; None if nobody did, or not rightly."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None or not {"host", "x-amz-date"} <= set(found["headers"].split(";")):
        return None
    payload = hashlib.sha256(await request.body()).hexdigest()
    signed = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in found["headers"].split(";")]
    path = request.url.path or "/"
    canonical = "\n".join([request.method, path, request.url.query, "".join(signed), found["headers"], payload])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], found["scope"], digest])
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (found["day"], found["region"], found["service"], "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return found["key"] if hmac.compare_digest(key.hex(), found["signature"]) else None
