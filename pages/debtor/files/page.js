// What her page can do without, and does better with: it tells which messages she has before her, and that a new one came.
"use strict";

(() => {
  const top = document.getElementById("top");
  const base = top.dataset.base;
  const waiting = new Map([...document.querySelectorAll('[data-note][data-read="no"]')].map((note) => [note, note.dataset.note]));

  function tell(word, notes) {
    if (!notes.length) return;
    const body = new URLSearchParams({ form: top.dataset.form });
    for (const note of notes) body.append(word, note);
    fetch(`${base}/seen`, { method: "POST", body, headers: { Accept: "application/json" }, keepalive: true, referrerPolicy: "no-referrer" }).catch(() => {});
  }

  tell("open", [...waiting.values()]);

  // Read is what stood in sight for a second on a page that was in front.
  const timers = new Map();
  const sight = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      clearTimeout(timers.get(entry.target));
      if (!entry.isIntersecting) continue;
      timers.set(entry.target, setTimeout(() => {
        if (document.visibilityState !== "visible") return;
        sight.unobserve(entry.target);
        tell("read", [waiting.get(entry.target)]);
      }, 1000));
    }
  }, { threshold: 0.6 });
  for (const note of waiting.keys()) sight.observe(note);

  if (top.dataset.live === "yes" && "EventSource" in window) {
    const live = new EventSource(`${base}/live`);
    live.addEventListener("news", () => { document.getElementById("fresh").hidden = false; });
    addEventListener("pagehide", () => live.close());
  }
})();
