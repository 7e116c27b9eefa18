"""Where a visitor is kept (persistence.py)."""

from beknown import persistence

CASES = (
    # mode, in a cookie, in which storage, is it one that we know
    (None, True, "localStorage", True),
    ("", True, "localStorage", True),
    ("cookie+localStorage", True, "localStorage", True),
    ("cookie+localstorage", True, "localStorage", True),
    ("localStorage+cookie", True, "localStorage", True),
    ("localStorage", False, "localStorage", True),
    ("LOCALSTORAGE", False, "localStorage", True),
    ("sessionStorage", False, "sessionStorage", True),
    ("sessionstorage", False, "sessionStorage", True),
    ("cookie", True, "", True),
    ("Cookie", True, "", True),
    ("memory", False, "", True),
    ("indexedDB", True, "localStorage", False),  # a slip of the pen is the default
    ("cookies", True, "localStorage", False),
    ("session", False, "sessionStorage", False),
    ("mem", False, "", False),
    ("local", False, "localStorage", False),
    ("local+cookie", True, "localStorage", False),
)


def test_every_way_of_writing_it_is_understood_or_named():
    for mode, cookie, area, known in CASES:
        options = {} if mode is None else {"persistence": mode}
        assert (persistence.in_cookie(options), persistence.area(options)) == (cookie, area), mode
        assert (persistence.complaint(options) == "") is known, mode
        assert known or repr(mode) in persistence.complaint(options)
