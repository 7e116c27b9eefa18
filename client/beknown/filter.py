"""What the site does not want sent: properties by name, personal ids in addresses, bots.

Rules:
- Pure. ``options`` are the tag's data- attributes as texts: ``deny`` (names, with commas between), ``mask`` (any
  text turns it on), ``bots`` (``count`` counts them too).
- Denied names go wherever they stand; what only we may say (ids, session, library) cannot be denied.
- A bot's calls make no events at all. Its user agent or its browser says that it is one; nothing is guessed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MASKED = "<masked>"  # what posthog-js writes in their place

# Parameters that name a person's click, and so a person (posthog-js §8; utm_* name campaigns and stay)
PERSONAL = (
    "gclid gclsrc dclid gbraid wbraid fbclid msclkid twclid li_fat_id igshid ttclid rdt_cid epik qclid sccid irclid _kx"
).split()

# Parts of the user agents of programs that say what they are (posthog-js §8 has 78 of them; these cover most)
BOTS = (
    "bot/ bot; bot) googlebot bingbot crawler spider slurp headlesschrome phantomjs cypress lighthouse prerender "
    "facebookexternalhit whatsapp/ bingpreview gptbot chatgpt-user claudebot perplexitybot bytespider ahrefs semrush "
    "mediapartners pingdom uptimerobot statuscake python-requests python-urllib curl/ wget/ go-http-client"
).split()


def ignores(facts: "dict[str, Any]", options: "dict[str, Any]") -> bool:
    """Tell whether this page's calls are to make no events."""
    return options.get("bots") != "count" and is_bot(facts)


def is_bot(facts: "dict[str, Any]") -> bool:
    """Tell whether the browser is driven by a program: it says so itself, or its user agent does."""
    agent = str(facts.get("agent", "")).lower()
    return bool(facts.get("driven")) or any(part in agent for part in BOTS)


def masked(url: str) -> str:
    """Give an address with the values of personal parameters hidden."""
    head, question, rest = url.partition("?")
    query, hash, fragment = rest.partition("#")
    pairs = []
    for pair in query.split("&"):
        name = pair.partition("=")[0]
        pairs.append(name + "=" + MASKED if name in PERSONAL else pair)
    return head + question + "&".join(pairs) + hash + fragment


def filtered(properties: "dict[str, Any]", options: "dict[str, Any]") -> "dict[str, Any]":
    """Give the properties that may be sent: without the denied names, with personal ids hidden if asked."""
    denied = [name.strip() for name in options.get("deny", "").split(",")]
    kept = {name: value for name, value in properties.items() if name not in denied}
    if options.get("mask"):
        for name, value in kept.items():
            if isinstance(value, str) and value:
                kept[name] = MASKED if _is_personal(name) else masked(value) if "://" in value else value
    return kept


def _is_personal(name: str) -> bool:
    return any(name == personal or name.endswith("_" + personal) for personal in PERSONAL)
