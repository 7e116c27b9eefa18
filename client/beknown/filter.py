"""What the site does not want sent: properties by name, personal ids in addresses, bots.

Rules:
- Pure. ``options`` are the tag's data- attributes as texts: ``deny`` (names, with commas between), ``mask`` (any
  text turns it on), ``bots`` (``count`` counts them too).
- Denied names go wherever they stand; what only we may say (ids, session, library) cannot be denied.
- A bot's calls make no events at all. Its user agent, the brands that its browser names or its browser itself say that
  it is one; nothing is guessed. Whatever posthog-js takes for a bot is one here (a test reads its list).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MASKED = "<masked>"  # what posthog-js writes in their place

# Parameters that name a person's click, and so a person (posthog-js §8; utm_* name campaigns and stay)
PERSONAL = (
    "gclid gclsrc dclid gbraid wbraid fbclid msclkid twclid li_fat_id igshid ttclid rdt_cid epik qclid sccid oppref "
    "bfcid irclid _kx"
).split()

# Parts of the user agents of programs that say what they are. Those whose name ends in "bot" need no place here.
BOTS = (
    "crawler,spider,slurp,headlesschrome,phantomjs,lightpanda,cypress,lighthouse,prerender,vercel-screenshot,deepscan,"
    "facebookexternal,facebookcatalog,meta-externalagent,whatsapp/,bingpreview,yandex.com/bots,chatgpt-user,ahrefs,"
    "semrush,sitebulb,screaming frog,ia_archiver,hubspot,hypefactors,nessus,turnitin,pingdom,statuscake,mediapartners,"
    "apis-google,duplexweb,feedfetcher,googleother,googleweblight,google favicon,google web preview,google-read-aloud,"
    "google-inspectiontool,google-hoteladsverifier,python-requests,python-urllib,curl/,wget/,go-http-client"
).split(",")
PHONE = "cubot"  # a make of phones


def ignores(facts: "dict[str, Any]", options: "dict[str, Any]") -> bool:
    """Tell whether this page's calls are to make no events."""
    return options.get("bots") != "count" and is_bot(facts)


def is_bot(facts: "dict[str, Any]") -> bool:
    """Tell whether the browser is driven by a program: it says so itself, or its user agent or its brands do."""
    said = f"{facts.get('agent')} {facts.get('brands')}".lower()
    words = "".join([each if "a" <= each <= "z" else " " for each in said]).split()
    is_named = any(word.endswith("bot") and word != PHONE for word in words)
    return bool(facts.get("driven")) or is_named or any(part in said for part in BOTS)


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
