"""AWS Signature Version 4: how a request to Amazon proves whose it is."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKey:
    """An access key, for one service in one region."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    region: str
    service: str


def sign(
    key: AwsKey, method: str, path: str, *, headers: Mapping[str, str], content: bytes, now: datetime
) -> dict[str, str]:
    """Give the headers with the signature's own added; `now` is aware and in UTC, and the server allows 5 minutes.

    `headers` names `host` at least, in lower case; the path has no query and no character that needs encoding.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{key.region}/{key.service}/aws4_request"
    signed = {**headers, "x-amz-date": stamp}
    names = ";".join(sorted(signed))
    lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
    request = "\n".join([method, path, "", *lines, "", names, sha256(content).hexdigest()])
    to_sign = "\n".join([ALGORITHM, stamp, scope, sha256(request.encode()).hexdigest()])
    derived = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    signature = hmac.new(derived, to_sign.encode(), "sha256").hexdigest()
    credential = f"Credential={key.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**signed, "authorization": f"{ALGORITHM} {credential}"}
