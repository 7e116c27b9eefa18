"""What the site does not want sent."""

from beknown import filter


def test_programs_that_say_so_are_bots_and_people_are_not():
    for agent in (
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/156.0.0.0 Safari/537.36",
        "curl/8.0",
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
        "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
        "GoogleOther",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "vercel-screenshot/1.0",
        "Lightpanda/1.0",
        "Better Uptime Bot",
    ):
        assert filter.is_bot({"agent": agent}), agent
    assert filter.is_bot({"agent": "Mozilla/5.0", "driven": True})
    assert filter.is_bot({"agent": "Mozilla/5.0", "brands": '[{"brand": "HeadlessChrome", "version": "142"}]'})
    assert filter.is_bot({"agent": "Mozilla/5.0", "brands": '"Chromium";v="142", "HeadlessChrome";v="142"'})
    for agent in (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 10; CUBOT_X30) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 9; en-us; CUBOT; Build/CUBOT/7) AppleWebKit/537.36 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; Bottega) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36 GSA/15.1",
        "",
    ):
        brands = '[{"brand": "Google Chrome", "version": "142"}, {"brand": "Not_A Brand", "version": "99"}]'
        assert not filter.is_bot({"agent": agent, "driven": False, "brands": brands}), agent
        assert not filter.is_bot({"agent": agent, "driven": False}), agent


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
