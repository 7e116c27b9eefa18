// links.js: tells of links to other sites and to files. start.js loads it for data-links="outbound, downloads".
//
// Rules:
// - Which links are meant is Python's to say (client/beknown/click.py). The page is not held up: the call is in the
//   journal before the browser goes on.

/** Calls client.pagelink(address, text) for each link that is followed, also with the middle button. */
export default (client) => {
  for (const type of ["click", "auxclick"])
    addEventListener(
      type,
      (event) => {
        const link = event.target.closest?.("a[href], area[href]");
        const text = (link?.textContent || "").trim().match(/^.{0,200}/su)[0]; // "u": no emoji is cut in half
        if (link && event.button < 2) client.pagelink(link.href, text);
      },
      true,
    );
};
