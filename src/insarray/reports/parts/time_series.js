// The time series of the pixel that is clicked on the map, drawn as SVG from the numbers in #series-data.
"use strict";
(async function () {
  const source = document.getElementById("series-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const map = document.getElementById("map");
  const picture = map.querySelector("svg");
  const [rows, cols] = data.sizes;
  const count = data.dates.length;
  const NONE = -32768;

  // deflated, in base64: the first bytes of all numbers, then the second, ...
  async function numbers(name, Type) {
    if (!data[name]) return null;
    const packed = Uint8Array.from(atob(data[name]), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const size = Type.BYTES_PER_ELEMENT, length = planes.length / size;
    const bytes = new Uint8Array(planes.length);
    for (let k = 0; k < size; k++) for (let i = 0; i < length; i++) bytes[i * size + k] = planes[k * length + i];
    return new Type(bytes.buffer);
  }
  if (typeof DecompressionStream === "undefined") {
    document.getElementById("series-place").textContent = "Time series need a browser of 2023 or later.";
    return;
  }
  const displacement = await numbers("displacement", Int16Array);
  const std = await numbers("std", Int16Array);
  const subset = await numbers("subset", Uint8Array);
  const model = await numbers("model", Int16Array);
  const maps = {};
  for (const name of ["velocity", "velocity_std", "temporal_coherence", "lon", "lat"]) maps[name] = await numbers(name, Float32Array);
  const day = (text) => Date.parse(text + "Z") / 864e5;
  const days = data.dates.map(day);
  const modelDays = data.model_dates.map(day);

  // -- drawing -------------------------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  function add(parent, name, attributes, text) {
    const element = parent.appendChild(document.createElementNS(SVG, name));
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return element;
  }
  const shown = (value, digits) => value.toFixed(digits).replace("-", "\u2212");

  function steps(low, high, most) {
    const raw = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
    return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }
  function months(low, high, most) {
    const first = new Date(low * 864e5);
    const span = (high - low) / 30.44;
    const step = [1, 2, 3, 6, 12, 24, 60, 120].find((n) => span / n <= most) || 240;
    const ticks = [];
    for (let m = 12 * first.getUTCFullYear(); ; m += step) {
      const at = Date.UTC(Math.floor(m / 12), m % 12, 1) / 864e5;
      if (at > high) break;
      if (at >= low) ticks.push(at);
    }
    return ticks.length > 1 ? ticks : [low, high];
  }

  const WIDE = 560, HIGH = 340, LEFT = 62, RIGHT = 12, TOP = 12, BOTTOM = 34;
  function draw(points, fit) {
    const plot = document.getElementById("series-plot");
    plot.textContent = "";
    const svg = add(plot, "svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "displacement over time" });
    const levels = [0];
    for (const p of points) levels.push(p.value - p.error, p.value + p.error);
    for (const p of fit) levels.push(p.value);
    let low = Math.min(...levels), high = Math.max(...levels);
    const room = 0.06 * (high - low) || 1;
    low -= room; high += room;
    const margin = 0.02 * (days[count - 1] - days[0]) || 1;
    const start = days[0] - margin, end = days[count - 1] + margin;
    const x = (d) => LEFT + ((WIDE - LEFT - RIGHT) * (d - start)) / (end - start);
    const y = (v) => HIGH - BOTTOM - ((HIGH - TOP - BOTTOM) * (v - low)) / (high - low);
    const scale = steps(low, high, 6);
    for (const v of scale.ticks) {
      add(svg, "line", { class: v === 0 ? "zero" : "axis", x1: LEFT, x2: WIDE - RIGHT, y1: y(v), y2: y(v) });
      add(svg, "text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, shown(v, scale.digits));
    }
    for (const d of months(start, end, 6)) {
      const text = new Date(d * 864e5).toISOString();
      add(svg, "line", { class: "axis", x1: x(d), x2: x(d), y1: HIGH - BOTTOM, y2: HIGH - BOTTOM + 5 });
      add(svg, "text", { x: x(d), y: HIGH - 12, "text-anchor": "middle" }, text.slice(0, text.slice(8, 10) === "01" ? 7 : 10));
    }
    add(svg, "text", { transform: `translate(14 ${HIGH / 2}) rotate(-90)`, "text-anchor": "middle" }, "LOS displacement (mm)");
    if (fit.length > 1) add(svg, "polyline", { class: "fit", points: fit.map((p) => `${x(p.day)},${y(p.value)}`).join(" ") });
    for (const p of points) {
      const kind = p.piece === 1 ? "" : "loose ";
      if (p.error > 0) add(svg, "line", { class: kind + "bar", x1: x(p.day), x2: x(p.day), y1: y(p.value - p.error), y2: y(p.value + p.error) });
      const dot = kind
        ? add(svg, "rect", { class: "loose dot", x: x(p.day) - 3.5, y: y(p.value) - 3.5, width: 7, height: 7 })
        : add(svg, "circle", { class: "dot", cx: x(p.day), cy: y(p.value), r: 3.5 });
      const error = p.error > 0 ? ` \u00b1 ${shown(p.error, 2)}` : "";
      add(dot, "title", {}, `${p.date}: ${shown(p.value, 2)}${error} mm` + (kind ? `, piece ${p.piece}` : ""));
    }
  }

  // -- one pixel -----------------------------------------------------------------------------------------------

  const view = picture.viewBox.baseVal;
  const cross = add(picture, "circle", { r: 6, fill: "none", stroke: "black", "stroke-width": 2, "pointer-events": "none" });
  const halo = add(picture, "circle", { r: 8, fill: "none", stroke: "white", "stroke-width": 2, "pointer-events": "none" });
  const [left, right, top, bottom] = data.box; // of the map, as parts of the picture
  const [rowTop, rowBottom, colLeft, colRight] = data.edges; // the same in rows and columns
  let here = data.start;

  function show(row, col) {
    here = [row, col];
    const index = row * cols + col;
    const full = [data.first[0] + row * data.step, data.first[1] + col * data.step];
    const across = left + ((right - left) * (full[1] + 0.5 - colLeft)) / (colRight - colLeft);
    const down = top + ((bottom - top) * (full[0] + 0.5 - rowTop)) / (rowBottom - rowTop);
    for (const circle of [cross, halo]) {
      circle.setAttribute("cx", view.x + across * view.width);
      circle.setAttribute("cy", view.y + down * view.height);
    }
    let place = `row ${full[0]}, column ${full[1]}`;
    if (maps.lon) place += `; longitude ${shown(maps.lon[index], 4)}\u00b0, latitude ${shown(maps.lat[index], 4)}\u00b0`;
    document.getElementById("series-place").textContent = place;
    const points = [], fit = [];
    for (let k = 0; k < count; k++) {
      const value = displacement[index * count + k];
      if (value === NONE) continue;
      const error = std && std[index * count + k] !== NONE ? std[index * count + k] * data.std_scale * 1e3 : 0;
      const date = data.dates[k].replace("T00:00:00", "");
      points.push({ day: days[k], date, value: value * data.scale * 1e3, error, piece: subset ? subset[index * count + k] : 1 });
    }
    for (let k = 0; model && k < modelDays.length; k++) {
      const value = model[index * modelDays.length + k];
      if (value !== NONE) fit.push({ day: modelDays[k], value: value * data.scale * 1e3 });
    }
    const texts = [];
    if (maps.velocity && !Number.isNaN(maps.velocity[index])) {
      let text = `velocity ${shown(1e3 * maps.velocity[index], 2)}`;
      if (maps.velocity_std && !Number.isNaN(maps.velocity_std[index])) text += ` \u00b1 ${shown(1e3 * maps.velocity_std[index], 2)}`;
      texts.push(text + " mm/yr");
    }
    if (maps.temporal_coherence && !Number.isNaN(maps.temporal_coherence[index])) {
      texts.push(`temporal coherence ${shown(maps.temporal_coherence[index], 2)}`);
    }
    texts.push(points.length ? `${points.length} of ${count} dates` : "no data at any date");
    document.getElementById("series-numbers").textContent = texts.join("; ");
    if (points.length) draw(points, fit);
    else document.getElementById("series-plot").textContent = "";
  }

  const within = (value, length) => Math.min(Math.max(value, 0), length - 1);
  map.addEventListener("click", (event) => {
    const area = picture.getBoundingClientRect();
    const across = ((event.clientX - area.left) / area.width - left) / (right - left);
    const down = ((event.clientY - area.top) / area.height - top) / (bottom - top);
    if (across < 0 || across > 1 || down < 0 || down > 1) return; // beside the map
    const row = rowTop + down * (rowBottom - rowTop) - 0.5, col = colLeft + across * (colRight - colLeft) - 0.5;
    show(within(Math.round((row - data.first[0]) / data.step), rows), within(Math.round((col - data.first[1]) / data.step), cols));
  });
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  map.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || !here) return;
    event.preventDefault();
    const flip = [bottom > top ? 1 : -1, right > left ? 1 : -1]; // rows that run northwards are drawn upwards
    show(within(here[0] + flip[0] * move[0], rows), within(here[1] + flip[1] * move[1], cols));
  });
  if (here) show(here[0], here[1]);
  map.dataset.ready = "yes"; // for who waits until clicks are answered
})();
