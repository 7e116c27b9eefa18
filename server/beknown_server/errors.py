"""What the server refuses, and how it says so.

    Refusal                  a request that is answered with a reason
    ├── Unusable      400    nothing in it could be used
    ├── Unauthorized  401    no key, an unknown one, or one that does not open this
    │   └── Forbidden 403    a key that may not be used from there
    ├── NotFound      404    there is no such thing
    ├── Stalled       408    the body did not arrive in time
    ├── TooLarge      413    over a limit: of the body, of what it inflates to, of its nesting
    ├── WrongType     415    a content type or a compression that this route does not take
    ├── TooMany       429    more than the operator lets through; ask again after ``retry_after`` seconds
    └── TooBusy       503    the store cannot take it now; ask again after ``retry_after`` seconds
        └── Building  503    what counting reads is still being made; ``share`` says how much is done
    Misconfigured            the server cannot start like this (command line, environment, pending migrations)

Rules:
- A refusal has a ``code`` for programs, a ``detail`` for people (what went wrong, why) and a ``fix`` (what to do).
- One handler (``answered`` in site.py) counts each and makes JSON of it, whose ``detail`` PostHog's SDKs print.
- The status codes are those after which SDKs do the right thing: 4xx is final in every one of them, 503 is
  retried by all (posthog-server §5.6). 429 is for whom the operator has limited: posthog-js drops what it answers.
"""

from __future__ import annotations


class Refusal(Exception):
    """A request that is answered with a reason; ``example`` is what the warnings page shows of it."""

    status = 400
    type = "refused"

    def __init__(self, code: str, detail: str, *, fix: str = "", example: str = "", retry_after: int | None = None):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fix = fix
        self.example = example or detail
        self.retry_after = retry_after
        self.share: float | None = None  # how much is done of what the answer waits for, 0 to 1
        self.project_id: int | None = None  # set by whoever knows whose request it is, for the warnings page


class Unusable(Refusal):
    """Nothing in the request could be used."""

    status = 400
    type = "validation_error"


class Unauthorized(Refusal):
    """No key, an unknown key, or a key that does not open this."""

    status = 401
    type = "authentication_error"


class Forbidden(Unauthorized):
    """The key is right, but may not be used from there."""

    status = 403
    type = "permission_error"


class TooMany(Refusal):
    """More than the operator lets through; the same request may be sent again after ``retry_after`` seconds."""

    status = 429
    type = "throttled"


class NotFound(Refusal):
    """There is no such thing, or none that this key may see."""

    status = 404
    type = "not_found"


class Stalled(Refusal):
    """The body did not arrive in time; the same request may be sent again."""

    status = 408
    type = "stalled"


class TooLarge(Refusal):
    """The request is over a limit."""

    status = 413
    type = "too_large"


class WrongType(Refusal):
    """The body is of a type, or compressed in a way, that this route does not take."""

    status = 415
    type = "wrong_type"


class TooBusy(Refusal):
    """The store cannot take this now; the same request may be sent again after ``retry_after`` seconds."""

    status = 503
    type = "try_again"

    def __init__(self, code: str, detail: str, *, fix: str = "", example: str = "", retry_after: int = 1):
        super().__init__(code, detail, fix=fix, example=example, retry_after=retry_after)


class Building(TooBusy):
    """What counting reads is still being made; ``share`` says how much of it is done."""

    def __init__(self, share: float):
        super().__init__("columns_building", f"the columnar copy is being made: {share:.0%} is done.", retry_after=2)
        self.share = share


class Misconfigured(Exception):
    """The server cannot start like this; the message says what to change."""
