// The page: which runs and tags are shown, and how.
import { Chart } from "./chart.js";
import { colour, curve, imageAddress, images, load, look, roots, runs, texts } from "./data.js";
import { ago, date, dot, element, number } from "./format.js";

const pause = 5000; // between two questions to the server, ms
const first = 12; // runs that are shown at the beginning
const $ = (id) => document.getElementById(id);

// view is what the address keeps after "#".
const view = { axis: "step", smoothing: 0, log: false, tags: "", filter: "", hidden: null };
const cards = new Map(); // "kind tag" -> card
const groups = new Map(); // name -> {box, cards, count}
const closed = new Set(); // names of groups

function readAddress() {
  const q = new URLSearchParams(location.hash.slice(1));
  if (["step", "time", "date"].includes(q.get("axis"))) view.axis = q.get("axis");
  view.smoothing = Math.min(0.99, Math.max(0, Number(q.get("smoothing")) || 0));
  view.log = q.has("log");
  view.tags = q.get("tags") ?? "";
  view.filter = q.get("runs") ?? "";
  if (q.has("hidden")) view.hidden = new Set(q.getAll("hidden").filter(Boolean));
}

function writeAddress() {
  const q = new URLSearchParams();
  if (view.axis !== "step") q.set("axis", view.axis);
  if (view.smoothing) q.set("smoothing", view.smoothing);
  if (view.log) q.set("log", "");
  if (view.tags) q.set("tags", view.tags);
  if (view.filter) q.set("runs", view.filter);
  for (const id of view.hidden ?? []) q.append("hidden", id);
  history.replaceState(null, "", `#${q}`);
}

// matcher returns a test for texts; what is no regular expression is a plain part.
function matcher(text, input) {
  try {
    const pattern = new RegExp(text, "i");
    input.classList.remove("wrong");
    return (s) => pattern.test(s);
  } catch {
    input.classList.add("wrong");
    return (s) => s.toLowerCase().includes(text.toLowerCase());
  }
}

const label = (run) => (roots.length > 1 && roots[1].there && roots[0].there ? `${roots[run.root].name}/${run.name}` : run.name);

// listed returns the runs that the filter lets through, without those that are
// part of another; shown the ids of those that are ticked, with their parts.
function listed() {
  const match = matcher(view.filter, $("filter"));
  return [...runs.values()].filter((run) => run.owner === run.id && match(label(run)));
}

function shown() {
  const owners = new Set(listed().map((run) => run.id).filter((id) => !view.hidden.has(id)));
  return [...runs.values()].filter((run) => owners.has(run.owner)).map((run) => run.id);
}

function drawRuns() {
  const rows = listed().map((run) => {
    const box = element("input", { type: "checkbox", id: `run ${run.id}` });
    box.checked = !view.hidden.has(run.id);
    box.onchange = () => {
      if (box.checked) view.hidden.delete(run.id);
      else view.hidden.add(run.id);
      update();
    };
    const name = label(run);
    const cut = name.lastIndexOf("/") + 1;
    const facts = [run.scalars.length ? `step ${run.step.toLocaleString()}` : "", ago(run.modified)].filter(Boolean).join(" · ");
    const live = Date.now() / 1000 - run.modified < 60;
    const text = element("div", { title: name }, element("small", {}, name.slice(0, cut)), element("b", {}, name.slice(cut)), element("small", live ? { class: "live" } : {}, facts));
    for (const p of run.problems ?? []) text.append(element("small", { class: "bad" }, p));
    const row = element("label", {}, box, text);
    row.style.setProperty("--run", colour(run.id));
    return element("li", {}, row);
  });
  const focus = document.activeElement?.id;
  $("runs").replaceChildren(...rows);
  if (focus?.startsWith("run ")) $(focus)?.focus();
  const all = [...runs.values()].filter((run) => run.owner === run.id).length;
  $("count").textContent = `${new Set(shown().map((id) => runs.get(id).owner)).size} of ${all} runs`;
}

// wanted lists the cards for the shown runs: kind and tag, in order.
function wanted(ids) {
  const match = matcher(view.tags, $("tags"));
  const found = new Map();
  for (const [kind, key] of [["number", "scalars"], ["text", "texts"], ["image", "images"]]) {
    for (const id of ids) for (const tag of runs.get(id)[key]) if (match(tag)) found.set(`${kind} ${tag}`, { kind, tag });
  }
  const rank = { number: 0, image: 1, text: 2 };
  const ahead = (name) => ["train", "eval"].indexOf(name) + 1 || 3;
  const group = ({ kind, tag }) => (kind === "number" ? (tag.includes("/") ? tag.split("/")[0] : "other") : `${kind}s`);
  return [...found.values()].map((c) => ({ ...c, group: group(c) }))
    .sort((a, b) => rank[a.kind] - rank[b.kind] || ahead(a.group) - ahead(b.group) || a.group.localeCompare(b.group) || a.tag.localeCompare(b.tag, undefined, { numeric: true }));
}

function groupBox(name) {
  if (!groups.has(name)) {
    const count = element("small");
    const list = element("div", { class: "cards" });
    const box = element("details", { class: "group" }, element("summary", {}, `${name} `, count), list);
    box.open = !closed.has(name);
    box.ontoggle = () => (box.open ? closed.delete(name) : closed.add(name));
    groups.set(name, { box, list, count });
  }
  return groups.get(name);
}

// Charts are drawn when they come into sight.
const sight = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    target.card.seen = isIntersecting;
    if (isIntersecting) target.card.draw();
  }
}, { rootMargin: "200px" });

class Card {
  constructor({ kind, tag }) {
    Object.assign(this, { kind, tag, seen: false, drawn: "", inside: null });
    const grow = element("button", { type: "button", title: "larger or smaller", "aria-label": "larger or smaller" }, "⤢");
    this.box = element("section", { class: "card" }, element("h3", {}, element("span", {}, tag), grow));
    this.box.card = this;
    grow.onclick = () => this.box.classList.toggle("wide");
    sight.observe(this.box);
  }

  // draw brings the card up to date if it is in sight.
  draw() {
    if (!this.seen) return;
    const key = { number: "scalars", text: "texts", image: "images" }[this.kind];
    const ids = shown().filter((id) => runs.get(id)[key].includes(this.tag));
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const state = JSON.stringify([ids.map((id) => [id, runs.get(id).version, Boolean(curve(id, this.tag))]), view.axis, view.smoothing, view.log, dark]);
    if (state === this.drawn) return;
    this.drawn = state;
    if (this.kind === "number") this.drawNumbers(ids);
    else this.drawNotes(ids);
  }

  // One value a run is a table, more are a chart.
  drawNumbers(ids) {
    const loaded = ids.filter((id) => curve(id, this.tag));
    const single = loaded.length > 0 && loaded.every((id) => curve(id, this.tag).step.length < 2);
    if (single && this.inside instanceof Chart) this.clear();
    if (!single && loaded.length) {
      if (!(this.inside instanceof Chart)) {
        this.clear();
        this.inside = new Chart(this.box, this.tag);
      }
      this.inside.draw(loaded, view);
      return;
    }
    const table = element("table", { class: "values" });
    for (const id of loaded) {
      const value = curve(id, this.tag).value.at(-1);
      const row = [dot(colour(id)), label(runs.get(id)), number(value)].map((c) => element("td", {}, c));
      table.append(element("tr", {}, ...row));
    }
    this.clear();
    this.inside = table;
    this.box.append(table);
  }

  async drawNotes(ids) {
    const ask = this.kind === "text" ? texts : images;
    const state = this.drawn;
    const lists = await Promise.all(ids.map((id) => ask(id, this.tag).catch(() => [])));
    if (state !== this.drawn) return; // there is something newer
    const at = new Map([...this.box.querySelectorAll(".note")].map((n) => [n.id, n.querySelector("input").value]));
    const notes = ids.map((id, i) => ({ id, list: lists[i] })).filter(({ list }) => list.length);
    this.clear();
    this.inside = element("div", {}, ...notes.map(({ id, list }) => this.note(id, list, at)));
    this.box.append(this.inside);
  }

  // note shows one of the texts or pictures of a run; a slider chooses the step.
  note(id, list, at) {
    const what = element("span");
    const slider = element("input", { type: "range", min: 0, max: list.length - 1, "aria-label": "step" });
    slider.hidden = list.length < 2;
    const body = this.kind === "text" ? element("pre") : element("img", { alt: "" });
    const box = element("div", { class: "note", id: `${id} ${this.kind} ${this.tag}` }, element("div", { class: "head" }, dot(colour(id)), element("span", {}, label(runs.get(id))), slider, what), body);
    const show = () => {
      const n = Number(slider.value);
      what.textContent = `step ${list[n].step.toLocaleString()}`;
      what.title = date(list[n].wall);
      if (this.kind === "text") body.textContent = plain(list[n].text);
      else body.src = imageAddress(id, this.tag, n);
    };
    const before = at.get(box.id);
    slider.value = before === undefined ? list.length - 1 : Math.min(before, list.length - 1);
    slider.oninput = show;
    show();
    return box;
  }

  clear() {
    this.inside?.remove();
    if (this.inside instanceof Chart) this.box.querySelectorAll(".plot, .tip").forEach((e) => e.remove());
    this.inside = null;
  }

  remove() {
    sight.unobserve(this.box);
    this.clear();
    this.box.remove();
  }
}

// plain takes the indent away that makes a text a block of code in Markdown.
function plain(text) {
  const lines = text.split("\n");
  return lines.every((l) => !l.trim() || l.startsWith("    ")) ? lines.map((l) => l.slice(4)).join("\n") : text;
}

function drawCards() {
  const list = wanted(shown());
  const keep = new Set(list.map((c) => `${c.kind} ${c.tag}`));
  for (const [key, card] of cards) {
    if (keep.has(key)) continue;
    card.remove();
    cards.delete(key);
  }
  const order = [...new Set(list.map((c) => c.group))];
  for (const [name, group] of groups) {
    if (order.includes(name)) continue;
    group.box.remove();
    groups.delete(name);
  }
  order.forEach((name) => {
    const group = groupBox(name);
    const own = list.filter((c) => c.group === name);
    group.count.textContent = own.length;
    place($("main"), group.box, order.indexOf(name));
    own.forEach((c, i) => {
      const key = `${c.kind} ${c.tag}`;
      if (!cards.has(key)) cards.set(key, new Card(c));
      place(group.list, cards.get(key).box, i);
    });
  });
  for (const card of cards.values()) card.draw();
  drawEmpty(list.length === 0);
}

// place puts a child at an index, and leaves it alone if it is there: moving an
// element loses its scroll position.
function place(parent, child, i) {
  if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
}

function drawEmpty(empty) {
  $("main").querySelector(".empty")?.remove();
  $("main").querySelector("noscript")?.remove();
  if (!empty) return;
  const why = runs.size === 0 ? ["There are no runs yet in ", ...roots.flatMap((r, i) => [i ? " and " : "", element("code", {}, r.path), r.there ? "" : " (no such folder)"]), ". They appear here as soon as one writes."] : ["No run and tag matches the filters."];
  $("main").append(element("p", { class: "empty" }, ...why));
}

// update draws what is known, asks for the numbers of runs that are new to the
// eye, and draws those.
async function update() {
  writeAddress();
  drawRuns();
  drawCards();
  if (await load(shown())) drawCards();
}

async function refresh() {
  if (document.hidden) return;
  try {
    const problem = await look();
    if (!view.hidden && runs.size) {
      const newest = [...runs.values()].filter((run) => run.owner === run.id).sort((a, b) => b.modified - a.modified);
      view.hidden = new Set(newest.slice(first).map((run) => run.id));
    }
    $("state").textContent = problem || `as of ${new Date().toLocaleTimeString()}`;
    $("state").classList.toggle("bad", Boolean(problem));
    if (runs.size) await update();
    else drawEmpty(true);
  } catch (e) {
    $("state").textContent = `no answer from the server: ${e.message}`;
    $("state").classList.add("bad");
  }
}

function connect() {
  const output = document.querySelector("output");
  const bind = (id, event, take) => $(id).addEventListener(event, () => (take($(id)), runs.size && update()));
  $("smoothing").value = view.smoothing;
  output.textContent = view.smoothing.toFixed(2);
  bind("smoothing", "input", (e) => {
    view.smoothing = Number(e.value);
    output.textContent = view.smoothing.toFixed(2);
  });
  $("log").checked = view.log;
  bind("log", "change", (e) => (view.log = e.checked));
  $("tags").value = view.tags;
  bind("tags", "input", (e) => (view.tags = e.value));
  $("filter").value = view.filter;
  bind("filter", "input", (e) => (view.filter = e.value));
  document.querySelector(`#axis input[value=${view.axis}]`).checked = true;
  bind("axis", "change", (e) => (view.axis = e.querySelector(":checked").value));
  bind("all", "click", () => listed().forEach((run) => view.hidden.delete(run.id)));
  bind("none", "click", () => listed().forEach((run) => view.hidden.add(run.id)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => runs.size && drawCards());
  document.addEventListener("visibilitychange", refresh);
}

readAddress();
connect();
await refresh();
setInterval(refresh, pause);
