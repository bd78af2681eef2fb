// A chart of one tag over several runs.
import { colour, curve, runs } from "./data.js";
import { date, dot, element, number, seconds } from "./format.js";

// smooth averages with weights that fall off into the past. The start is not
// drawn towards zero: the weights are divided by their sum.
function smooth(values, share) {
  if (!share) return values;
  let sum = 0;
  let weight = 0;
  return values.map((v) => {
    if (v === null) return v;
    sum = share * sum + (1 - share) * v;
    weight = share * weight + (1 - share);
    return sum / weight;
  });
}

// columns returns x and y of a run in ascending order of x, which is what the
// chart needs: a step that was written twice counts with its last value.
function columns(id, tag, view) {
  const c = curve(id, tag);
  if (!c || !c.step.length) return null;
  const from = c.wall[0];
  const x = view.axis === "step" ? c.step : view.axis === "time" ? c.wall.map((w) => w - from) : c.wall;
  const order = x.map((_, i) => i).sort((a, b) => x[a] - x[b] || a - b).filter((at, i, all) => i + 1 === all.length || x[at] !== x[all[i + 1]]);
  const y = order.map((i) => (view.log && c.value[i] <= 0 ? null : c.value[i]));
  return { id, x: order.map((i) => x[i]), y, step: order.map((i) => c.step[i]), wall: order.map((i) => c.wall[i]), from };
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// nearest returns the index of the point that is next to x.
function nearest(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}

// range leaves some room around the values, also around one that never changes.
function range(_, low, high) {
  if (low === null) return [0, 1];
  if (low === high) return low === 0 ? [-1, 1] : [low - Math.abs(low) * 0.1, low + Math.abs(low) * 0.1];
  return uPlot.rangeNum(low, high, 0.08, false);
}

const sync = uPlot.sync("x");

export class Chart {
  constructor(card, tag) {
    this.card = card;
    this.tag = tag;
    this.box = element("div", { class: "plot" });
    this.tip = element("div", { class: "tip", hidden: "" });
    card.append(this.box, this.tip);
    this.key = "";
    this.size = new ResizeObserver(() => this.plot?.setSize(this.area()));
    this.size.observe(this.box);
  }

  area() {
    return { width: Math.max(this.box.clientWidth, 80), height: this.box.clientHeight };
  }

  // draw shows some runs. The plot is made anew only if something else than the
  // values changed, so that zooming outlives new values.
  draw(ids, view) {
    this.view = view;
    this.lines = ids.map((id) => columns(id, this.tag, view)).filter(Boolean);
    for (const l of this.lines) l.smooth = smooth(l.y, view.smoothing);
    const raw = this.lines.map((l) => [l.x, l.y]);
    const tables = view.smoothing ? [...raw, ...this.lines.map((l) => [l.x, l.smooth])] : raw;
    const data = tables.length ? uPlot.join(tables) : [[]];
    const key = JSON.stringify([this.lines.map((l) => l.id), view.axis, view.log, view.smoothing > 0, matchMedia("(prefers-color-scheme: dark)").matches]);
    if (this.plot && key === this.key) {
      const zoomed = this.plot.scales.x.min > this.plot.data[0][0] || this.plot.scales.x.max < this.plot.data[0].at(-1);
      this.plot.setData(data, !zoomed);
      if (zoomed) this.plot.redraw();
      return;
    }
    this.key = key;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), data, this.box);
  }

  options() {
    const { axis, log, smoothing } = this.view;
    const axisStyle = { stroke: style("--dim"), font: "11px system-ui, sans-serif", grid: { stroke: style("--grid"), width: 1 }, ticks: { stroke: style("--grid"), size: 4 } };
    const xText = { step: (_, at) => at.map((v) => (Number.isInteger(v) ? v.toLocaleString() : "")), time: (_, at) => at.map(seconds) }[axis];
    return {
      ...this.area(),
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync.key, scales: ["x", null] }, points: { show: false }, drag: { x: true, y: false } },
      scales: { x: { time: axis === "date" }, y: log ? { distr: 3 } : { range } },
      axes: [
        { ...axisStyle, size: axis === "date" ? 44 : 28, space: axis === "time" ? 90 : 60, ...(xText && { values: xText }) },
        { ...axisStyle, size: 58, space: 34, values: (_, at) => at.map((v, i) => (v === null ? "" : log ? number(v) : number(v, Math.abs(at[1] - at[0]) || undefined))) },
      ],
      series: [{}, ...this.series(smoothing)],
      hooks: { setCursor: [(u) => this.point(u)] },
    };
  }

  series(smoothing) {
    const thick = this.lines.map((l) => ({ stroke: colour(l.id), width: 1.6, points: { show: l.x.length < 3, size: 6, fill: colour(l.id) } }));
    if (!smoothing) return thick;
    const faint = this.lines.map((l) => ({ stroke: `${colour(l.id)}40`, width: 1, points: { show: false } }));
    return [...faint, ...thick];
  }

  // point shows the values at the cursor, if it is on this chart.
  point(u) {
    const { left, top } = u.cursor;
    if (left < 0 || !this.box.matches(":hover")) {
      this.tip.hidden = true;
      return;
    }
    const x = u.posToVal(left, "x");
    const rows = this.lines.map((l) => ({ l, i: nearest(l.x, x) })).sort((a, b) => b.l.smooth[b.i] - a.l.smooth[a.i]);
    const most = 14;
    const table = element("table", {}, element("caption", {}, this.caption(rows, x)));
    for (const { l, i } of rows.slice(0, most)) {
      const cells = [dot(colour(l.id)), runs.get(l.id)?.name ?? l.id, number(l.smooth[i]), ...(this.view.smoothing ? [`raw ${number(l.y[i])}`] : []), `step ${l.step[i].toLocaleString()}`];
      table.append(element("tr", {}, ...cells.map((c) => element("td", {}, c))));
    }
    this.tip.replaceChildren(table);
    if (rows.length > most) this.tip.append(`and ${rows.length - most} more`);
    this.tip.hidden = false;
    const from = this.box.offsetLeft + u.bbox.left / devicePixelRatio + left;
    const room = this.card.clientWidth - this.tip.offsetWidth - 10;
    this.tip.style.left = `${Math.max(6, from + 16 <= room ? from + 16 : Math.min(room, from - this.tip.offsetWidth - 16))}px`;
    this.tip.style.top = `${this.box.offsetTop + Math.max(0, Math.min(top + 12, this.box.clientHeight - 40))}px`;
  }

  caption(rows, x) {
    if (this.view.axis === "date") return date(x);
    if (this.view.axis === "time") return `after ${seconds(x)}`;
    return rows.length === 1 ? date(rows[0].l.wall[rows[0].i]) : `step ${Math.round(x).toLocaleString()}`;
  }

  remove() {
    this.size.disconnect();
    this.plot?.destroy();
  }
}
