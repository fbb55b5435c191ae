// The telephone: shows what arrived, answers, sets the clock, arms faults. Whatever a message says stays text.
"use strict";

const POLL_MILLISECONDS = 700;
const FIRST_NUMBER = "+573001234567";

const one = (id) => document.getElementById(id);
const number = one("number");
const bubbles = one("bubbles");
const said = one("said");
let shown = "";
// An answer goes the way of the last message.
let answering = "";

function say(text, bad) {
  said.textContent = text;
  said.classList.toggle("bad", Boolean(bad));
}

async function call(method, path, told) {
  const options = { method, headers: { Accept: "application/json" } };
  if (told !== undefined) {
    options.body = JSON.stringify(told);
    options.headers["Content-Type"] = "application/json";
  }
  const answer = await fetch(path, options);
  const body = await answer.json();
  if (!answer.ok) {
    const wrong = (body.errors || []).map((error) => `${error.pointer} ${error.detail}`).join("; ");
    throw new Error(wrong || body.title || `refused (${answer.status})`);
  }
  return body;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Control and direction characters would change what the line around them looks like.
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

function bubble(message) {
  const item = element("li", `bubble ${message.direction} ${message.channel}`);
  const words = element("p", "", visible(message.text));
  words.dir = "auto";
  const note = element("small", "", `${clockTime(message.at)} · ${message.channel}`);
  if (message.status) {
    const bad = ["failed", "undelivered"].includes(message.status);
    note.append(" · ", message.channel === "whatsapp" && !bad ? ticks(message.status) : element("span", bad ? "bad" : "", message.status));
  }
  if (message.form === "template") note.append(" · template");
  item.append(words, note);
  if (message.audio_url && !message.text) words.hidden = true;
  if (message.buttons && message.buttons.length) item.append(quickReplies(message));
  if (message.audio_url) item.insertBefore(player(message.audio_url), words);
  if (message.channel === "voice" && message.direction === "in") callCard(item, message);
  return item;
}

// What is played lies at the gateway's own address, whatever name this page was opened by.
function player(url) {
  const sound = element("audio", "sound");
  const at = new URL(url, location.href);
  sound.src = at.pathname + at.search;
  sound.controls = true;
  sound.preload = "metadata";
  return sound;
}

// What the sender of a WhatsApp message sees of it: one tick at the carrier, two on her telephone, coloured once she read or played it.
function ticks(status) {
  const seen = ["read", "played"].includes(status);
  const mark = element("span", seen ? "ticks seen" : "ticks", seen || status === "delivered" ? "\u2713\u2713" : "\u2713");
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", status);
  mark.title = status;
  return mark;
}

function quickReplies(message) {
  const row = element("div", "replies");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "Quick replies");
  for (const title of message.buttons) {
    const button = element("button", "", visible(title));
    button.type = "button";
    button.addEventListener("click", () => {
      press("POST", "/sandbox/reply", { channel: message.channel, from: number.value.trim(), text: title }, taken);
    });
    row.append(button);
  }
  return row;
}

const KEYS = [["1", "again"], ["2", "call me back"], ["3", "not me"], ["9", "no more calls"]];
const RINGING = ["queued", "initiated", "ringing"];

function callCard(item, message) {
  item.classList.add("call");
  item.classList.toggle("ringing", RINGING.includes(message.status));
  const keys = element("div", "keys");
  keys.setAttribute("role", "group");
  keys.setAttribute("aria-label", "Keys of the last call");
  for (const [key, means] of KEYS) {
    const button = element("button", "", key);
    button.type = "button";
    button.title = means;
    button.setAttribute("aria-label", `Press ${key}: ${means}`);
    button.addEventListener("click", () => {
      const told = { channel: "voice", from: number.value.trim(), text: key };
      press("POST", "/sandbox/reply", told, (answer) => (answer.hook.taken ? `Pressed ${key}.` : "The call is over."));
    });
    keys.append(button);
  }
  item.append(keys);
}

function clockTime(at, more) {
  return new Date(at).toLocaleString([], { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", ...more });
}

async function look() {
  const address = number.value.trim();
  const [messages, people, clock, armed] = await Promise.all([
    address ? call("GET", `/sandbox/conversation?with=${encodeURIComponent(address)}`) : [],
    call("GET", "/sandbox/people"),
    call("GET", "/sandbox/clock"),
    call("GET", "/sandbox/faults"),
  ]);
  one("now").textContent = clockTime(clock.now, { timeZoneName: "short" });
  one("now").dateTime = clock.now;
  one("people").replaceChildren(...people.map((person) => new Option(person)));
  one("armed").replaceChildren(...armed.map((fault) => element("li", "", inWords(fault))));
  const fresh = JSON.stringify([address, messages]);
  if (fresh !== shown) {
    const atEnd = bubbles.scrollHeight - bubbles.scrollTop - bubbles.clientHeight < 60;
    bubbles.replaceChildren(...messages.map(bubble));
    if (atEnd || !shown.startsWith(JSON.stringify([address]).slice(0, -1))) bubbles.scrollTop = bubbles.scrollHeight;
    one("empty").hidden = messages.length > 0;
    answering = messages.length ? messages[messages.length - 1].channel : "";
    shown = fresh;
  }
}

function inWords(fault) {
  const left = fault.count === null ? "" : ` · ${fault.count} left`;
  const time = fault.seconds === null ? "" : ` · ${fault.seconds} s left`;
  return `${fault.fault} at ${fault.provider || "every carrier"}${left}${time}`;
}

async function keepLooking() {
  try {
    await look();
    if (said.textContent === "The sandbox does not answer.") say("");
  } catch {
    say("The sandbox does not answer.", true);
  }
  setTimeout(keepLooking, POLL_MILLISECONDS);
}

async function press(method, path, told, done) {
  try {
    const answer = await call(method, path, told);
    say(typeof done === "function" ? done(answer) : done);
    await look();
    return true;
  } catch (error) {
    say(error.message, true);
    return false;
  }
}

const taken = (answer) => (answer.hook.taken ? "Sent. The gateway took it." : "Sent, but the gateway did not take it yet.");

one("answer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = one("text");
  const from = number.value.trim();
  const told = { channel: one("by").value || answering || (from.includes("@") ? "email" : /^\d+$/.test(from) ? "telegram" : "sms"), from, text: text.value };
  if (await press("POST", "/sandbox/reply", told, taken)) text.value = "";
});

one("clock").addEventListener("submit", (event) => {
  event.preventDefault();
  press("POST", "/sandbox/clock", { now: one("clock-now").value.trim() }, "The clock is set.");
});
one("clock-real").addEventListener("click", () => press("POST", "/sandbox/clock", { real: true }, "The clock shows real time."));
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => press("POST", "/sandbox/clock", { advance: button.dataset.advance }, "The clock is set."));
}

one("faults").addEventListener("submit", (event) => {
  event.preventDefault();
  press("POST", "/sandbox/faults", { fault: one("fault").value, count: Number(one("fault-count").value) }, "Armed.");
});
one("fault-clear").addEventListener("click", () => press("DELETE", "/sandbox/faults", undefined, "Nothing goes wrong any more."));

// The drawer takes room from the messages; the last one stays in sight.
document.querySelector("details").addEventListener("toggle", () => { bubbles.scrollTop = bubbles.scrollHeight; });

number.value = decodeURIComponent(location.hash.slice(1)) || FIRST_NUMBER;
number.addEventListener("change", () => {
  history.replaceState(null, "", `#${encodeURIComponent(number.value.trim())}`);
  say("");
  look().catch(() => say("The sandbox does not answer.", true));
});
keepLooking();
