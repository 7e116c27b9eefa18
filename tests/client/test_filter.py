"""What the site does not want sent."""

from beknown import filter


def test_programs_that_say_so_are_bots_and_people_are_not():
    for agent in (
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/156.0.0.0 Safari/537.36",
        "curl/8.0",
    ):
        assert filter.is_bot({"agent": agent})
    assert filter.is_bot({"agent": "Mozilla/5.0", "driven": True})
    for agent in (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 10; CUBOT_X30) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
        "",
    ):
        assert not filter.is_bot({"agent": agent, "driven": False})


def test_click_ids_in_addresses_are_hidden_and_the_rest_stays():
    url = "https://a.example/x?utm_source=ad&gclid=abc&q=1&fbclid=#top"
    assert filter.masked(url) == "https://a.example/x?utm_source=ad&gclid=<masked>&q=1&fbclid=<masked>#top"
    for plain in ("https://a.example/x", "https://a.example/?", "https://a.example/#gclid=1"):
        assert filter.masked(plain) == plain


def test_denied_names_go_and_masking_hides_click_ids_everywhere():
    found = {
        "email": "x",
        "n": 1,
        "gclid": "g",
        "$session_entry_gclid": "g",
        "$referrer": "https://b.example/?gclid=g",
    }
    assert filter.filtered(found, {}) == found
    kept = filter.filtered(found, {"deny": "email", "mask": "true"})
    assert kept == {
        "n": 1,
        "gclid": "<masked>",
        "$session_entry_gclid": "<masked>",
        "$referrer": "https://b.example/?gclid=<masked>",
    }
