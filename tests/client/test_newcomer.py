"""Who is stored when there is nobody yet, or when a visitor says yes (newcomer.py)."""

from beknown import ids, state, wire
from beknown.newcomer import consented, newcomer

SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
KNOWN = f"1.5.{SEED}.i.s.0.0.ada"


def test_a_yes_keeps_who_they_were_and_makes_somebody_of_who_was_nobody():
    cookie, local = consented([KNOWN, KNOWN + '\n{"registered": {"plan": "pro"}}'], SEED)
    assert cookie == "1y" + KNOWN[1:]
    assert local == cookie + '\n{"registered": {"plan": "pro"}}'
    assert consented([cookie, local], SEED) == [cookie, local]
    for nobody in (["", ""], [wire.DENIED, wire.DENIED]):
        cookie, local = consented(nobody, SEED)
        assert wire.unpack_cookie(cookie)["asked"] is True
        assert wire.unpack_cookie(cookie)["distinct_id"] == SEED
        assert local == cookie + "\n{}"


def test_who_says_yes_after_a_no_is_newer_than_every_copy_from_before_it():
    before = newcomer(SEED, wire.ASKED, after_no=True)[0]
    fields = wire.unpack_cookie(before)
    then = wire.pack_cookie(dict(fields, revision=fields["revision"] + 60000, distinct_id="ada", identified=True))
    later = ids.uuid7(ids.time_of(SEED) + 60001, bytes(10))
    now = state.fresh(SEED)
    now.follow(consented([wire.DENIED, wire.DENIED], later)[0])
    now.follow(then)
    assert now.identity.distinct_id == later
    assert wire.unpack_cookie(newcomer(later)[0])["revision"] == 0
    assert wire.unpack_cookie(consented(["", ""], later)[0])["revision"] == 0
