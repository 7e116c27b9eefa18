"""Signed identities: the site's backend vouches for a user's id, so that nobody else can claim it.

    signature = HMAC-SHA256(key = SHA-256(secret key), message = the id in UTF-8), as 64 hexadecimal digits

The message is the id without the blanks around it (wire.BLANKS), on both sides: the page takes them off before it
claims an id, another sender may not, and a database's CHAR column brings them.

Rules:
- Pure. The HMAC's key is the secret key's SHA-256 because that is what the server keeps of it (store: ``_hash``).
- Compared in constant time.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from .wire import BLANKS


def sign(user_id: Any, secret_key: str) -> str:
    """Give the signature that proves ``user_id`` to be ours, for ``identify(id, ..., {signature})`` in the page.

    Give it only to the browser of the user whose id it is, after log-in. ``secret_key`` is the project's ``bks_...``.
    """
    return signed_with(str(user_id), hashlib.sha256(secret_key.encode()).digest())


def is_signed(user_id: Any, signature: str, secret_key: str) -> bool:
    """Tell whether ``signature`` is the one that ``sign`` gives; takes as long whatever is wrong with it."""
    return hmac.compare_digest(sign(user_id, secret_key).encode(), signature.encode(errors="replace"))


def is_signed_with(user_id: str, signature: Any, hashed_keys: Iterable[bytes]) -> bool:
    """Tell the same to whoever holds only the SHA-256 of each key that a signature may be made with."""
    given = signature.encode(errors="replace") if isinstance(signature, str) else b""
    return any(hmac.compare_digest(signed_with(user_id, key).encode(), given) for key in hashed_keys)


def signed_with(user_id: str, hashed_key: bytes) -> str:
    """Give the same signature to whoever holds only the secret key's SHA-256, as the server does."""
    return hmac.new(hashed_key, user_id.strip(BLANKS).encode(errors="replace"), hashlib.sha256).hexdigest()
