// Numbers and times as people read them.

// number writes a value with four digits, or as many as tell ticks of the given
// distance apart.
export function number(v, apart) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e6 || size < 1e-4) return v.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  if (apart) {
    const digits = Math.max(0, Math.min(8, Math.ceil(-Math.log10(apart) - 1e-9)));
    return v.toFixed(digits);
  }
  return String(Number(v.toPrecision(4)));
}

export function seconds(s) {
  if (s < 60) return `${number(Math.round(s * 100) / 100)} s`;
  const whole = Math.round(s);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts[0] ? `${parts[0]} h ${String(parts[1]).padStart(2, "0")} min` : `${parts[1]} min ${String(parts[2]).padStart(2, "0")} s`;
}

export function ago(unix) {
  const s = Date.now() / 1000 - unix;
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) if (s >= size) return `${Math.floor(s / size)} ${unit} ago`;
  return "just now";
}

export const date = (unix) => new Date(unix * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

// element makes an element: element("b", {class: "x"}, "text", child).
export function element(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// dot marks a run by its colour.
export function dot(colour) {
  const e = element("span", { class: "dot" });
  e.style.setProperty("--run", colour);
  return e;
}
