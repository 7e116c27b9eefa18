"""Consent: the table in permission.py, row by row."""

from beknown import permission, wire
from beknown.errors import BadCall

SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
KNOWN = f"1.5.{SEED}.i.s.0.0.ada"


def test_without_a_choice_the_tag_decides_and_known_is_the_default():
    assert permission.mode("", {}, {}) == "granted"
    for wanted in ("granted", "pending", "cookieless", "denied"):
        assert permission.mode("", {}, {"consent": wanted}) == wanted
        assert permission.mode(KNOWN, {}, {"consent": wanted}) == wanted


def test_a_slip_of_the_pen_in_the_tag_lets_nothing_out():
    for wrong in ("Granted", "yes", "error", "grantd"):
        assert permission.mode("", {}, {"consent": wrong}) == "pending"


def test_the_visitors_own_choice_comes_first():
    yes = "1y" + KNOWN[1:]
    for wanted in ("granted", "pending", "cookieless", "denied", "odd"):
        for gpc in (False, True):
            assert permission.mode(yes, {"gpc": gpc}, {"consent": wanted}) == "granted"
            assert permission.mode(wire.DENIED, {"gpc": gpc}, {"consent": wanted}) == "denied"


def test_a_browsers_signal_makes_known_visitors_counted_ones_unless_the_site_is_more_careful():
    for wanted, mode in (("granted", "cookieless"), ("cookieless", "cookieless"), ("pending", "pending")):
        assert permission.mode("", {"gpc": True}, {"consent": wanted}) == mode
        assert permission.mode(KNOWN, {"gpc": True}, {"consent": wanted}) == mode
    assert permission.mode("", {"gpc": True}, {"respectGpc": "false"}) == "granted"
    assert permission.mode("", {"gpc": False}, {"respectGpc": "true"}) == "granted"


def test_what_becomes_of_a_call():
    happened = ("capture", "pageview", "pageleave", "pageclick", "pagelink")
    for call in happened + ("identify", "register", "reset"):
        assert permission.verdict("granted", call) == permission.RUN
        assert permission.verdict("cookieless", call) == permission.RUN
        assert permission.verdict("pending", call) == permission.WAIT
        assert permission.verdict("denied", call) == (permission.DROP if call in happened else permission.WAIT)


def test_where_nobody_may_be_known_nobody_can_be_named():
    for call in permission.PERSONAL:
        permission.check("granted", call)
        try:
            permission.check("cookieless", call)
        except BadCall as refusal:
            assert "opt_in()" in str(refusal)
        else:
            raise AssertionError(call)
    permission.check("cookieless", "capture")
