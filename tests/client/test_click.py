"""Events without code: what an element declares, which links are told of."""

from beknown import click

HERE = "https://shop.example/pricing"


def test_an_element_names_its_event_and_properties():
    data = {"beknownEvent": "signup_clicked", "beknownPropPlan": "pro", "beknownPropSeatCount": "3", "other": "x"}
    assert click.declared(data) == ("signup_clicked", {"plan": "pro", "seat_count": "3"})
    assert click.declared({}) == (None, {})
    assert click.declared({"beknownEvent": "x", "beknownProp": "y"}) == ("x", {})


def test_a_link_to_another_site_is_told_of_if_the_tag_asks():
    url = "https://other.example/a?b=1"
    assert click.link(url, HERE, "outbound") == ("outbound_link_clicked", {"url": url, "host": "other.example"})
    assert click.link(url, HERE, "downloads")[0] == ""
    assert click.link(url, HERE, "")[0] == ""
    for inner in ("https://shop.example/", HERE, "mailto:ada@example.com", "javascript:x", "tel:5", ""):
        assert click.link(inner, HERE, "outbound")[0] == ""


def test_a_file_is_a_download_wherever_it_lies():
    for url in ("https://shop.example/a/Price.list.PDF?v=2", "https://cdn.example/x.zip#top"):
        what, properties = click.link(url, HERE, "outbound, downloads")
        assert what == "file_downloaded"
        assert properties["url"] == url
    assert properties["file"] == "x.zip"
    assert properties["extension"] == "zip"
    assert click.link("https://shop.example/pdf", HERE, "downloads")[0] == ""
    assert click.link("https://shop.example/a.html", HERE, "downloads")[0] == ""
