"""Our Signature V4 is botocore's, to the byte: the expected values are what botocore 1.44.5 computed for the same request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from resources.aws_signature import AwsCredentials, sign_post


@pytest.mark.requirement("H4")
@pytest.mark.parametrize(
    ("session", "signature"),
    [
        (None, "b5ded9b2905aad7f9f6fa1f6f1f5f911ca243c9918e8ee036cfa051f6f8f65eb"),
        ("SESSION/TOKEN==", "ebe004a26e23ca61bb48f52f9d167194a229488d8e313917f7f7b3c63e24451f"),
    ],
)
def test_the_signature_is_that_of_botocore(session: str | None, signature: str) -> None:
    key = SecretStr("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    headers = sign_post(
        "https://sns.eu-west-1.amazonaws.com/",
        b"Action=Publish&Message=a%20b&PhoneNumber=%2B14155550100",
        credentials=AwsCredentials("AKIDEXAMPLE", key, SecretStr(session) if session else None),
        region="eu-west-1",
        service="sns",
        content_type="application/x-www-form-urlencoded; charset=utf-8",
        at=datetime(2026, 1, 3, 14, 23, 5, tzinfo=UTC),
    )
    assert headers["authorization"].endswith(f"Signature={signature}")
    assert "AKIDEXAMPLE/20260103/eu-west-1/sns/aws4_request" in headers["authorization"]
