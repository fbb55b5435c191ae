// What a page can do without, and does better with: the figures are asked for again when the trace has grown.
"use strict";

(() => {
  const place = document.getElementById("live");
  if (!place || !("EventSource" in window)) return;
  let asking = false;
  let again = false;

  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("live");
        const here = document.getElementById("live");
        if (fresh && here) {
          // What somebody opened stays open, and where somebody is stays there.
          const open = [...here.querySelectorAll("details")].map((each) => each.open);
          const held = here.contains(document.activeElement) && document.activeElement !== document.body;
          if (!held) {
            [...fresh.querySelectorAll("details")].forEach((each, n) => { each.open = Boolean(open[n]); });
            here.replaceChildren(...fresh.childNodes);
          }
        }
      }
    } catch { /* the page stays as it is; the next news asks again */ }
    asking = false;
    if (again) { again = false; setTimeout(refresh, 1000); }
  }

  const live = new EventSource(place.dataset.live);
  live.addEventListener("news", refresh);
  addEventListener("pagehide", () => live.close());
})();
