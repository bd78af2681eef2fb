// What the server says about the runs, and the numbers of those that are shown.

// Colours that can be told apart, also by most who see fewer.
const palette = ["#3b7dd8", "#e8710a", "#2b9348", "#d6336c", "#8f5bd6", "#12a0b5", "#a0712c", "#6f7d95", "#b8a000", "#e64980"];

export const runs = new Map(); // by id, in the order of the server
export let roots = [];
const curves = new Map(); // id -> {version, curves}
const colours = new Map(); // id -> colour; a run keeps its own

async function get(path, query) {
  const answer = await fetch(`data/${path}?${new URLSearchParams(query)}`);
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}

// owner returns the run that another one is part of: texts alone, in a folder of
// a run, belong to it. It is the run itself as a rule.
function owner(run) {
  if (run.scalars.length) return run.id;
  for (let at = run.id.lastIndexOf("/"); at > 0; at = run.id.lastIndexOf("/", at - 1)) {
    if (runs.has(run.id.slice(0, at))) return run.id.slice(0, at);
  }
  return run.id;
}

export function colour(id) {
  const own = runs.get(id)?.owner ?? id;
  if (!colours.has(own)) colours.set(own, palette[colours.size % palette.length]);
  return colours.get(own);
}

// look asks which runs there are, and returns what is wrong with a folder.
export async function look() {
  const list = await get("runs");
  roots = list.roots;
  runs.clear();
  for (const run of list.runs) {
    runs.set(run.id, run);
    run.owner = owner(run); // the outer ones come first
    colour(run.id);
  }
  return list.problem ?? "";
}

// load brings the curves of some runs up to date and reports whether any changed.
export async function load(ids) {
  const stale = ids.filter((id) => runs.get(id)?.scalars.length && curves.get(id)?.version !== runs.get(id).version);
  await Promise.all(stale.map(async (id) => curves.set(id, await get("scalars", { run: id }))));
  return stale.length > 0;
}

// curve returns the columns {step, wall, value} of a tag of a run, if it has it.
export const curve = (id, tag) => curves.get(id)?.curves[tag];

export const texts = (id, tag) => get("texts", { run: id, tag });
export const images = (id, tag) => get("images", { run: id, tag });
export const imageAddress = (id, tag, n) => `data/image?${new URLSearchParams({ run: id, tag, n, version: runs.get(id)?.version ?? "" })}`;
