"""What a click says: an element that declares its event in the page's HTML, a link to a file or to another site.

    <button data-beknown-event="signup_clicked" data-beknown-prop-plan="pro">Sign up</button>

Rules:
- Pure. The stub sees the click and hands over what the page wrote; the names of events and properties are made here.
- Links are only told of if the tag asks (``data-links``), and never with more than their own address.
"""

from .event import split_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DECLARED = "beknownProp"  # how the browser spells data-beknown-prop-... in an element's dataset

# Endings of what browsers save rather than show
FILES = (
    "7z avi csv dmg doc docx exe gz iso key mov mp3 mp4 msi numbers ods odt ogg pages pdf pkg ppt pptx rar rtf tar "
    "tgz txt wav webm wmv xls xlsx xml zip"
).split()


def declared(data: "dict[str, Any]") -> "tuple[Any, dict[str, Any]]":
    """Give the event that an element's data- attributes declare, and its properties: plan-name becomes plan_name."""
    found = {}
    for name, value in data.items():
        bare = name[len(DECLARED) :]
        if name.startswith(DECLARED) and bare:
            words = "".join(["_" + each.lower() if "A" <= each <= "Z" else each for each in bare])
            found[words[1:] if words[0] == "_" else words] = value
    return data.get("beknownEvent"), found


def link(url: str, page: str, wanted: str) -> "tuple[str, dict[str, Any]]":
    """Give the event of a followed link and its properties; "" if the tag does not ask for its kind.

    ``wanted`` names the kinds, with commas between: ``downloads`` (files, by their ending), ``outbound`` (other sites).
    """
    kinds = [kind.strip() for kind in wanted.split(",")]
    host, path, _ = split_url(url)
    name = path.split("/")[-1]
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if "downloads" in kinds and ending in FILES:
        return "file_downloaded", {"url": url, "file": name, "extension": ending}
    if "outbound" in kinds and host and host != split_url(page)[0] and url.startswith("http"):
        return "outbound_link_clicked", {"url": url, "host": host}
    return "", {}
