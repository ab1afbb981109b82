"""AWS Signature Version 4 for one POST: the same as botocore's, without its 90 MB of service descriptions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """A long-lived key, or a temporary one with its session token."""

    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None


def sign_post(
    url: str, body: bytes, *, credentials: AwsCredentials, region: str, service: str, content_type: str, at: datetime
) -> dict[str, str]:
    """All headers of the signed request, Host included."""
    parts = urlsplit(url)
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": content_type, "host": parts.netloc, "x-amz-date": stamp}
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token.get_secret_value()
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [
            "POST",
            parts.path or "/",
            parts.query,
            *[f"{name}:{headers[name]}" for name in sorted(headers)],
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_access_key.get_secret_value()}".encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"{credentials.access_key_id}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return headers
