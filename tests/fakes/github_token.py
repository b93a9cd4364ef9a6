"""Tokens by which GitHub vouches for a workflow, as far as the tests' AWS looks at them."""

import base64
import json

ISSUER = "token.actions.githubusercontent.com"


def token(subject: str, audience: str = "sts.amazonaws.com") -> str:
    """Return a token as GitHub gives it to a job, but for the signature."""

    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"iss": f"https://{ISSUER}", "aud": audience, "sub": subject}
    return f"{part({'alg': 'RS256'})}.{part(claims)}.signature"
