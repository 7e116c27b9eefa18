"""UUIDv7 from bytes handed in."""

from beknown import ids

RANDOM = bytes([255, 0, 255, 1, 2, 3, 4, 5, 6, 7])


def test_an_id_says_version_7_and_the_rfc_variant():
    text = ids.uuid7(1795473649157.9, RANDOM)
    assert ids.is_uuid(text)
    assert text[14] == "7"
    assert text[19] in "89ab"


def test_an_id_carries_its_millisecond():
    for ms in (0, 1, 2**31, 2**32, 1795473649157, 2**48 - 1):
        assert ids.time_of(ids.uuid7(ms, RANDOM)) == ms


def test_ids_sort_by_time_as_text():
    made = [ids.uuid7(ms, RANDOM) for ms in (5, 70000, 2**33, 1795473649157, 1795473649158)]
    assert made == sorted(made)


def test_other_bytes_make_another_id():
    assert ids.uuid7(5, RANDOM) != ids.uuid7(5, bytes(10))


def test_derived_ids_are_repeatable_and_differ_by_label_and_source():
    one, other = ids.uuid7(5, RANDOM), ids.uuid7(5, bytes(10))
    assert ids.derived(one, "device") == ids.derived(one, "device")
    assert len({ids.derived(one, "device"), ids.derived(one, "session"), ids.derived(other, "device"), one}) == 4
    assert ids.time_of(ids.derived(one, "device")) == 5


def test_what_is_no_uuid_is_told_apart():
    for text in ("", "ada", None, 5, "g" * 36, "01a20a91-ae05-7e94-aea9-36f6d0ff238", "-" * 36):
        assert not ids.is_uuid(text)
    assert ids.is_uuid("00000000-0000-0000-0000-000000000000")
