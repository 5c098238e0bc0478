// Charts: series with standard errors, profiles, histograms.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const HEIGHT = 230;

export function ink(name = "--ink") {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axes(x, y) {
  const common = { stroke: () => ink(), grid: { stroke: () => ink("--line"), width: 1 }, ticks: { stroke: () => ink("--line"), width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
  return [{ ...common, ...(x ? { label: x, labelSize: 18, size: 34 } : { size: 46 }) }, { ...common, label: y, labelSize: 18, size: 52 }];
}

/** A chart that is drawn again when its data, its width or the colours of the page change. */
export class Chart {
  constructor(element) {
    this.element = element;
    this.make = null;
    new ResizeObserver(() => this.plot?.setSize({ width: this.width, height: HEIGHT })).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.make));
  }

  get width() {
    return Math.max(this.element.clientWidth, 200);
  }

  draw(make) {
    this.make = make;
    this.plot?.destroy();
    this.plot = undefined;
    if (!make) return;
    const { options, data } = make();
    const base = { width: this.width, height: HEIGHT, legend: { show: false }, cursor: { drag: { x: true, y: false }, points: { show: false } } };
    this.plot = new uPlot({ ...base, ...options }, data, this.element);
  }
}

/** Range of values and their errors, with a margin. */
function spread(lists) {
  let [low, high] = [0, 0];
  let some = false;
  for (const values of lists)
    for (const value of values)
      if (Number.isFinite(value)) [low, high, some] = some ? [Math.min(low, value), Math.max(high, value), true] : [value, value, true];
  const margin = Math.max((high - low) * 0.08, 0.5);
  return [low - margin, high + margin];
}

/** Series: [{colour, times, values, errors, subset, curve: {times, values}}], in mm. */
export function seriesChart(lines, label) {
  return () => {
    const times = [...new Set(lines.flatMap((line) => [...line.times, ...(line.curve?.times ?? [])]))].sort((a, b) => a - b);
    const at = (line) => new Map((line.curve?.times ?? []).map((time, k) => [time, line.curve.values[k]]));
    const curves = lines.map(at).map((known) => times.map((time) => known.get(time) ?? null));
    const ends = lines.flatMap((line) => [line.values, line.values.map((v, t) => v + (line.errors?.[t] || 0)), line.values.map((v, t) => v - (line.errors?.[t] || 0)), line.curve?.values ?? []]);
    const options = {
      axes: axes(null, label),
      scales: { x: { range: (_, low, high) => [low - 0.03 * (high - low || 1e6), high + 0.03 * (high - low || 1e6)] }, y: { range: () => spread(ends) } },
      series: [{}, ...lines.map((line) => ({ stroke: line.colour, width: 1.5, spanGaps: true, points: { show: false } }))],
      hooks: { draw: [(plot) => lines.forEach((line) => drawMarkers(plot, line))] },
    };
    return { options, data: [times, ...curves] };
  };
}

function drawMarkers(plot, { colour, times, values, errors, subset }) {
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = ratio;
  times.forEach((time, t) => {
    const x = plot.valToPos(time, "x", true);
    const path = new Path2D();
    if (!Number.isFinite(values[t])) {
      const bottom = plot.bbox.top + plot.bbox.height;
      path.moveTo(x, bottom);
      path.lineTo(x, bottom - 7 * ratio);
      ctx.stroke(path);
      return;
    }
    const y = plot.valToPos(values[t], "y", true);
    if (errors?.[t] > 0) {
      path.moveTo(x, plot.valToPos(values[t] - errors[t], "y", true));
      path.lineTo(x, plot.valToPos(values[t] + errors[t], "y", true));
      ctx.stroke(path);
    }
    const half = 3 * ratio;
    if (subset && subset[t] > 1) {
      ctx.strokeRect(x - half, y - half, 2 * half, 2 * half);
    } else {
      ctx.beginPath();
      ctx.arc(x, y, half, 0, 2 * Math.PI);
      ctx.fill();
    }
  });
  ctx.restore();
}

/** Profile: [{colour, values, errors}] along distances. */
export function profileChart(along, lines, xLabel, label) {
  return () => {
    const bands = lines.flatMap((line, k) => (line.errors ? [{ line, k }] : []));
    const rows = lines.map((line) => [...line.values].map((v) => (Number.isFinite(v) ? v : null)));
    const edges = bands.flatMap(({ line }) => [1, -1].map((sign) => [...line.values].map((v, t) => (Number.isFinite(v + line.errors[t]) ? v + sign * line.errors[t] : null))));
    const hidden = { width: 0, stroke: "transparent", points: { show: false } };
    const options = {
      axes: axes(xLabel, label),
      scales: { x: { time: false }, y: { range: () => spread([...rows, ...edges].map((row) => row.filter((v) => v !== null))) } },
      series: [{}, ...lines.map((line) => ({ stroke: line.colour, width: 1.5, points: { show: false } })), ...edges.map(() => hidden)],
      bands: bands.map(({ line }, k) => ({ series: [1 + lines.length + 2 * k, 2 + lines.length + 2 * k], fill: `${line.colour}40` })),
    };
    return { options, data: [along, ...rows, ...edges] };
  };
}

export function histogramChart(low, high, counts, label) {
  return () => {
    const step = (high - low) / counts.length;
    const options = {
      axes: axes(label, "pixels"),
      scales: { x: { time: false, range: [low, high] } },
      series: [{}, { stroke: ink("--accent"), fill: `${ink("--accent")}60`, paths: uPlot.paths.bars({ size: [1, Infinity] }), points: { show: false } }],
    };
    return { options, data: [counts.map((_, k) => low + (k + 0.5) * step), counts] };
  };
}
