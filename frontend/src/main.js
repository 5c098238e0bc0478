// The page: maps, tools, series, profile, histogram, downloads.
import { Chart, histogramChart, ink, profileChart, seriesChart } from "./charts.js";
import { rectangle } from "./areas.js";
import { Result, relativeTo } from "./data.js";
import { csv, geojson, picture, save } from "./download.js";
import { cornersOf, isEmpty, lineWords, regionOf, showArea, showMeasure, sizeWords } from "./drawn.js";
import { digitsFor, finite, histogram, lengthOf, text } from "./figures.js";
import { Frame, Pane } from "./map.js";
import { $, COLOURS, failed, frameOf, page, results, safely, say, visible } from "./page.js";
import { Slot, make } from "./slot.js";
import { stationAt, stationSeries, stationWords, stationsOf } from "./stations.js";
import "./style.css";

const POLL = 1500; // ms between questions after the store's state
/** What a click does: its key, and what it draws. */
const TOOLS = {
  series: { key: "s" },
  point: { key: "r" },
  area: { key: "a", shape: "box" },
  polygon: { key: "d", shape: "polygon" },
  profile: { key: "p", shape: "line" },
  measure: { key: "m", shape: "path" },
};
const { charts } = page;

// -- what is shown

function comparable(a, b) {
  return a.about.crs === b.about.crs && (a.about.crs !== null || a.isPoints === b.isPoints);
}

function draw() {
  const [first, second] = page.slots;
  const side = page.mode === "side";
  const fits = !second || comparable(first.result, second.result);
  const [left, right] = page.panes;
  const frame = frameOf(first.result);
  const about = { metres: first.result.about.metres?.[0], known: first.result.about.crs };
  left.look(frame, about);
  left.show(left.layer, first.style && first.shown(frame));
  const over = page.mode === "swipe" && fits;
  left.show(left.other, over && second.style ? second.shown(frameOf(second.result)) : null);
  if (page.mode === "swipe" && !fits) say("The two results have different coordinates: they can be seen side by side, not swiped.");
  if (side) {
    if (fits) {
      if (right.map.getView() !== left.map.getView()) right.map.setView(left.map.getView());
    } else {
      right.look(new Frame(second.result), { metres: second.result.about.metres?.[0], known: second.result.about.crs });
    }
    right.show(right.layer, second.style ? second.shown(fits ? frameOf(second.result) : new Frame(second.result)) : null);
  }
  mark();
}

const changed = (slot, error) => {
  if (error) failed(error);
  if (page.panes.length && page.slots.every((one) => one.layer)) {
    draw();
    later.histogram();
    later.profile();
    later.area();
    if (slot.number === 0 && slot.result !== page.described) describe(slot.result);
  }
};

/** Functions that run once after a while, however often they are called. */
const later = Object.fromEntries(
  Object.entries({ histogram: showHistogram, profile: showProfile, area: showArea }).map(([name, work]) => {
    let timer;
    return [name, () => { clearTimeout(timer); timer = setTimeout(safely(work), 120); }];
  }),
);

function setMode(mode) {
  say(page.problem);
  page.mode = mode;
  $("mode").value = mode;
  const [first, second] = page.slots;
  document.body.dataset.mode = mode;
  second.element.hidden = mode === "single";
  second.active = mode !== "single";
  if (second.active && !second.style) second.colour();
  second.map.hidden = mode !== "side";
  page.swipe.hidden = mode !== "swipe";
  page.panes[0].swipe(mode === "swipe" ? page.swipe.value / 1000 : 1);
  first.element.dataset.share = mode;
  for (const pane of page.panes) pane.map.updateSize();
  page.panes[0].fit();
  draw();
  safely(showProfile)();
  safely(showArea)();
  safely(showPicks)();
}

function setTool(tool) {
  say(page.problem);
  page.tool = tool;
  for (const name of Object.keys(TOOLS)) $(`tool-${name}`).setAttribute("aria-pressed", String(name === tool));
  for (const pane of page.panes) pane.draw(TOOLS[tool].shape);
}

// -- marks on the map

function mark() {
  if (!page.panes.length) return;
  const features = [];
  const { reference, profile, area, measure } = page;
  if (reference) features.push({ ...reference.mark, kind: "reference", label: "reference" });
  else if (page.slots[0].result.about.reference) {
    const [r0, r1, c0, c1] = page.slots[0].result.about.reference;
    features.push({ at: frameOf(page.slots[0].result).place((r0 + r1 - 1) / 2, (c0 + c1 - 1) / 2), kind: "reference", label: "reference" });
  }
  for (const { station, at } of stationsOf(page.slots[0].result)) features.push({ at, kind: "station", label: station.name });
  if (profile) features.push({ line: profile.ends, colour: COLOURS[0] });
  if (area) features.push({ ring: area.ring, colour: area.colour, label: reference?.mark.ring === area.ring ? "" : "area" });
  if (measure) features.push({ line: measure, colour: "#000000", label: lineWords(measure) });
  page.picks.forEach((pick, k) => pick.at && features.push({ at: pick.at, colour: pick.colour, label: String(k + 1) }));
  for (const pane of page.panes) pane.mark(features);
}

// -- clicks

const onClick = (pane) => safely(async (coordinate, event) => {
  if (TOOLS[page.tool].shape) return undefined;
  say(page.problem);
  if (page.tool === "point") return setReference({ at: coordinate }, pane.resolution);
  return pickAt(coordinate, event?.shiftKey || $("keep").checked);
});

/** A shape is drawn. */
const onDrawn = safely(async (coordinates) => {
  say(page.problem);
  if (page.tool === "area") return setReference({ box: [coordinates[0], coordinates[2]] });
  if (page.tool === "polygon") return useArea(coordinates);
  if (page.tool === "measure") {
    page.measure = coordinates;
    mark();
    return showMeasure();
  }
  page.profile = { ends: coordinates };
  mark();
  return showProfile();
});

/** Statistics of an area, and its mean series beside those of pixels. */
async function useArea(ring) {
  const area = { ring, colour: COLOURS[2] };
  removeArea();
  page.area = area;
  mark();
  area.problem = "its mean series is being read";
  await showArea();
  area.problem = "";
  for (const result of results()) {
    try {
      const region = regionOf(result, area);
      if (isEmpty(region)) continue;
      const { pixels, dates, maps, curve } = await result.level(region);
      if (page.area !== area) return;
      page.picks.push({ result, area, pixels, data: { displacement: dates, maps, curve }, colour: freeColour() });
    } catch (error) {
      area.problem = `no mean series: ${error.message}`;
    }
  }
  if (page.area !== area) return;
  await showArea();
  if (page.picks.at(-1)?.area === area) area.colour = page.picks.at(-1).colour;
  showPicks();
  mark();
}

function removeArea() {
  page.area = null;
  page.picks = page.picks.filter((pick) => !pick.area);
  showPicks();
  safely(showArea)();
  mark();
}

const freeColour = () => COLOURS.find((one) => !page.picks.some((pick) => pick.colour === one)) ?? COLOURS[0];

const onMove = (slot, pane) => (coordinate) => {
  const frame = frameOf(slot.result);
  if (slot.result.isPoints || !slot.style) return;
  const pixel = frame.pixel(coordinate);
  if (!pixel) return void ($("status").textContent = "outside the image");
  const tile = nearestTile(slot, pane, pixel);
  $("status").textContent = `${placeWords(slot.result, ...pixel)}${tile === undefined ? "" : `: ${slot.words(tile)}`}`;
};

/** Value of the finest tile with a pixel that is in memory; undefined if there is none. */
function nearestTile(slot, pane, [row, col]) {
  const { result, layer, date } = slot;
  for (let level = 0; level < result.about.levels; level++) {
    const size = 256 * 2 ** level;
    const key = `${layer.key}/${layer.dated ? date : 0}/${level}/${Math.floor(row / size)}/${Math.floor(col / size)}`;
    const tile = result.tiles.get(key);
    if (tile?.values) return tile.values[Math.floor((row % size) / 2 ** level) * tile.width + Math.floor((col % size) / 2 ** level)];
  }
  return undefined;
}

function placeWords(result, row, col) {
  const place = result.lonlat(row, col);
  const pixel = result.isPoints ? `point ${col}` : `row ${row}, column ${col}`;
  return place ? `${pixel}; longitude ${text(place[0], 5)}°, latitude ${text(place[1], 5)}°` : pixel;
}

const whereWords = ({ result, pixel, pixels, station }) => (station ? stationWords(station) : pixel ? placeWords(result, ...pixel) : `area: mean of ${pixels} ${result.isPoints ? "points" : "pixels"} with all dates`);

async function pickAt(coordinate, keep) {
  const distance = 15 * page.panes[0].resolution;
  const found = [];
  for (const slot of visible()) {
    const pixel = frameOf(slot.result).pixel(coordinate, distance);
    if (pixel && !found.some((one) => one.result === slot.result)) found.push({ result: slot.result, pixel });
  }
  const stations = results().map((result) => ({ result, station: stationAt(result, coordinate, distance) })).filter(({ station }) => station);
  if (!found.length && !stations.length) {
    $("status").textContent = "nothing there";
    return;
  }
  if (!keep) page.picks = page.picks.filter((pick) => pick.area);
  const started = performance.now();
  for (const { result, pixel } of found) {
    const data = await result.pixel(...pixel);
    page.picks.push({ result, pixel, data, colour: freeColour(), at: frameOf(result).place(...pixel) });
  }
  for (const { result, station } of stations) page.picks.push({ result, station, data: { maps: {} }, colour: freeColour() });
  if (page.picks.length > COLOURS.length) page.picks.splice(0, page.picks.length - COLOURS.length);
  showPicks();
  mark();
  document.body.dataset.clickMs = Math.round(performance.now() - started);
}

// -- reference

/** Make a place the reference: a pixel {at}, a rectangle {box} or a drawn {ring}. */
async function setReference(place, resolution) {
  const levels = new Map();
  const problems = [];
  let [words, marked] = ["", null];
  for (const result of results()) {
    try {
      const [region, level] = await levelOf(result, place, resolution);
      levels.set(result, level);
      if (levels.size > 1) continue;
      const { rows, cols } = region;
      marked = place.at ? { at: frameOf(result).place(rows[0], cols[0]) } : { ring: place.ring ?? cornersOf(...place.box) };
      if (place.at) words = placeWords(result, rows[0], cols[0]);
      else words = `mean of ${level.pixels} ${result.isPoints ? "points" : "pixels"} with all dates in ${place.ring || result.isPoints ? `the drawn area of ${sizeWords(result, marked.ring) || "the image"}` : `rows ${rows[0]} to ${rows[1] - 1}, columns ${cols[0]} to ${cols[1] - 1}`}`;
    } catch (error) {
      problems.push(`${result.about.name}: reference: ${error.message}`);
    }
  }
  if (levels.size) useReference({ mark: marked, levels, words });
  if (problems.length) say(problems.join("; "));
}

async function levelOf(result, place, resolution) {
  let region;
  if (place.at) {
    const pixel = frameOf(result).pixel(place.at, 15 * (resolution ?? 1));
    if (!pixel) throw new Error("nothing there");
    region = rectangle(...pixel.map((at) => [at, at + 1]));
  } else region = regionOf(result, place);
  if (isEmpty(region)) throw new Error("the area is outside the image");
  return [region, await result.level(region)];
}

function useReference(reference) {
  page.reference = reference;
  for (const slot of page.slots) {
    slot.levels = reference?.levels ?? new Map();
    slot.colour();
  }
  $("reset-reference").hidden = !reference;
  describeReference();
  showPicks();
  mark();
}

function describeReference() {
  const { reference, slots } = page;
  $("reference-words").textContent = reference
    ? `here: ${reference.words}. Subtracted from displacement, velocity and the linear terms of the fit; standard errors stay as stored.`
    : `as stored: ${slots[0].result.about.reference_words}`;
}

// -- series

function shownSeries(pick, first) {
  const { result, data } = pick;
  const level = page.reference?.levels.get(result);
  const { about } = result;
  const scale = 1000;
  let { times } = result;
  let { displacement: moved, curve } = data;
  if (moved && level?.dates) moved = relativeTo(moved, level.dates, data.subset);
  if (curve && level?.curve) curve = curve.map((value, k) => value - level.curve[k]);
  let values = (moved ?? []).map((value) => value * scale);
  let errors = data.std?.map((value) => value * scale);
  if (pick.station) ({ times, values, errors } = stationSeries(result, pick.station, level));
  let curveTimes = about.model?.times.map((time) => Date.parse(`${time}Z`) / 1000);
  if (first && first !== pick && values.length) {
    const other = shownSeries(first);
    const known = new Map(other.times.map((time, k) => [time, k]));
    const at = times.map((time) => known.get(time));
    values = values.map((value, t) => (at[t] === undefined ? NaN : value - other.values[at[t]]));
    errors = errors && other.errors ? errors.map((error, t) => Math.hypot(error, other.errors[at[t]] ?? NaN)) : undefined;
    [curve, curveTimes] = other.curve && result === first.result && curve ? [curve.map((v, k) => v - other.curve.values[k] / scale), curveTimes] : [undefined, undefined];
  }
  return { colour: pick.colour, times, values, errors, subset: data.subset, curve: curve && { times: curveTimes, values: Array.from(curve, (v) => v * scale) } };
}

function picksShown() {
  const first = $("difference").checked ? page.picks[0] : null;
  return page.picks.filter((pick) => pick !== first || page.picks.length === 1).map((pick) => [pick, shownSeries(pick, first)]);
}

function showPicks() {
  const dated = picksShown().filter(([, line]) => line.values.length);
  charts.series.lines = dated.map(([, line]) => line);
  charts.series.draw(dated.length ? seriesChart(dated.map(([, line]) => line), $("difference").checked && page.picks.length > 1 ? "difference (mm)" : "LOS displacement (mm)") : null);
  const items = page.picks.map((pick, k) => {
    const { maps, displacement } = pick.data;
    const patch = make("span", { class: "patch" });
    patch.style.backgroundColor = pick.colour;
    const level = page.reference?.levels.get(pick.result);
    const velocity = maps.velocity === undefined ? "" : rateWords(maps.velocity - (level?.maps.velocity ?? 0), maps.velocity_std);
    const seen = displacement?.filter(Number.isFinite).length;
    const dates = displacement ? (seen ? `${seen} of ${displacement.length} dates` : "no data at any date") : "";
    const pieces = pick.data.subset && Math.max(...pick.data.subset) > 1 ? "squares: pieces of the network not tied to the reference date" : "";
    const flags = pick.result.about.layers.filter((layer) => layer.classes && !layer.dated && maps[layer.name] > 1).map((layer) => {
      const [name, , meaning] = layer.classes[maps[layer.name]] ?? ["", "", ""];
      return `${layer.name.replaceAll("_", " ")}: ${name}${meaning ? ` (${meaning})` : ""}`;
    });
    const name = page.slots[0].results.length > 1 ? pick.result.about.name : "";
    const words = [name, whereWords(pick), velocity, dates, pieces, ...flags].filter(Boolean).join("; ");
    const remove = make("button", { "aria-label": `Remove point ${k + 1}` }, "×");
    remove.addEventListener("click", () => {
      if (pick.area) return removeArea();
      page.picks.splice(k, 1);
      showPicks();
      mark();
    });
    return make("li", {}, patch, ` ${k + 1}: ${words} `, remove);
  });
  $("points").replaceChildren(...items);
  if (!items.length) $("points").append(make("li", { class: "small" }, "Click the map for the series of a pixel; Shift or “keep points” adds one."));
}

function rateWords(velocity, error) {
  if (!Number.isFinite(velocity)) return "no velocity";
  return `velocity ${text(1000 * velocity, 2)}${Number.isFinite(error) ? ` ± ${text(1000 * error, 2)}` : ""} mm/yr`;
}

// -- profile and histogram

async function showProfile() {
  $("profile-panel").hidden = !page.profile;
  if (!page.profile) return charts.profile.draw(null);
  const lines = [];
  for (const [k, slot] of visible().entries()) {
    if (slot.result.isPoints || slot.layer.classes) continue;
    const { layer, result, offset } = slot;
    const frame = frameOf(slot.result);
    const [from, to] = page.profile.ends.map((end) => frame.position(end));
    const steps = Math.min(Math.max(Math.ceil(Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])) - 1e-6), 1), 5000) + 1;
    const share = Array.from({ length: steps }, (_, s) => s / (steps - 1));
    const [height, width] = result.about.shape;
    const at = share.map((s) => [0, 1].map((c) => Math.floor(from[c] + s * (to[c] - from[c]) + 0.5)));
    const inside = at.map(([row, col]) => row >= 0 && col >= 0 && row < height && col < width);
    const [rows, cols] = [0, 1].map((c) => at.filter((_, s) => inside[s]).map((place) => place[c]));
    const spread = (found, shift) => {
      let n = 0;
      return inside.map((is) => (is ? (found[n++] - shift) * layer.scale : NaN));
    };
    const values = spread(await result.values(layer, slot.date, rows, cols), offset);
    const error = result.layer(`${layer.name}_std`);
    const errors = error && error.dated === layer.dated ? spread(await result.values(error, slot.date, rows, cols), 0) : undefined;
    const metres = lengthOf(result.about, [from, to]);
    const length = metres === null ? Math.hypot(to[0] - from[0], to[1] - from[1]) : metres / 1000;
    lines.push({ colour: COLOURS[k], values, errors, along: share.map((s) => s * length), unit: metres === null ? "pixels" : "km", slot, at });
  }
  if (!lines.length) {
    $("profile-words").textContent = "Profiles are of maps of numbers; choose one.";
    return charts.profile.draw(null);
  }
  const alike = (line) => line.along.length === lines[0].along.length && line.slot.layer.label === lines[0].slot.layer.label;
  const same = lines.filter(alike);
  page.profile.lines = same;
  charts.profile.draw(profileChart(lines[0].along, same, `distance (${lines[0].unit})`, lines[0].slot.layer.label.split("\n")[0]));
  const few = same.length < lines.length ? " The other map has pixels of another size or other units, and is left out." : "";
  $("profile-words").textContent = `${same.map((line) => line.slot.title).join(" and ")}; length ${text(lines[0].along.at(-1), 3)} ${lines[0].unit}${same.some((l) => l.errors) ? "; band: ± one standard error" : ""}.${few}`;
  return undefined;
}

async function showHistogram() {
  const slot = page.slots[0];
  const { layer, style } = slot;
  if (!style) return;
  const values = finite(await slot.overview());
  if (layer.classes) {
    const counts = layer.classes.map(([name], k) => `${name} ${text((100 * values.filter((v) => v === k).length) / Math.max(values.length, 1), 1)} %`);
    charts.histogram.draw(null);
    $("histogram-words").textContent = counts.join(", ");
    return;
  }
  const [low, high] = [style.low, style.high];
  charts.histogram.draw(values.length ? histogramChart(low, high, histogram(values, low, high), layer.label.split("\n")[0]) : null);
  const outside = values.filter((v) => v < low || v > high).length;
  const sorted = values.sort();
  const digits = digitsFor(low, high);
  const step = 2 ** (slot.result.about.levels - 1);
  const of = step === 1 ? "" : ` (means of ${step} × ${step} pixels)`;
  $("histogram-words").textContent = values.length
    ? `${values.length} values${of}; mean ${text(values.reduce((a, b) => a + b, 0) / values.length, digits)}, median ${text(sorted[Math.floor(sorted.length / 2)], digits)}; ${outside} beyond the colours`
    : "no data";
}

// -- what is known of the result

function describe(result) {
  page.described = result;
  const { about } = result;
  $("title").textContent = about.name;
  document.title = `${about.name} – insarray view`;
  const list = (rows) => make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const problems = about.problems.map(([what, remedy]) => make("li", {}, `${what} ${remedy}`));
  $("about").replaceChildren(
    make("h2", {}, "Result"),
    make("p", { class: "small" }, about.sign),
    ...(problems.length ? [make("h3", {}, "Possible problems"), make("ul", { id: "problems" }, ...problems)] : []),
    make("details", {}, make("summary", {}, "How it was made"), list(about.provenance ?? []), list(about.options)),
  );
  describeReference();
}

// -- downloads

const paneTitle = () => (page.mode === "side" ? page.slots.map((slot) => [slot]) : [visible()]);

async function savePng() {
  const panes = paneTitle().map((slots, k) => ({
    canvases: page.panes[k].canvases,
    title: slots.map((slot) => slot.title).join("  |  "),
    bars: slots.filter((slot) => slot.style && !slot.layer.classes).map((slot) => ({
      canvas: slot.bar,
      ticks: [slot.style.low, (slot.style.low + slot.style.high) / 2, slot.style.high].map((v) => text(v, digitsFor(slot.style.low, slot.style.high))),
      unit: slot.unit.textContent,
    })),
  }));
  save(await picture(panes, { paper: ink("--paper"), ink: ink() }), "map.png");
}

function saveCsv() {
  if (page.tool === "profile" && page.profile?.lines) {
    const { lines } = page.profile;
    const head = [`distance_${lines[0].unit}`, "longitude", "latitude", ...lines.flatMap((line) => [line.slot.title, ...(line.errors ? [`${line.slot.title}: standard error`] : [])])];
    const rows = lines[0].along.map((along, s) => {
      const place = lines[0].slot.result.lonlat(...lines[0].at[s]) ?? [NaN, NaN];
      return [along, ...place, ...lines.flatMap((line) => [line.values[s], ...(line.errors ? [line.errors[s]] : [])])];
    });
    return save(csv([head, ...rows]), "profile.csv");
  }
  if (!page.picks.length) throw new Error("There is no point: click the map for the series of a pixel first.");
  const rows = page.picks.flatMap((pick, k) => {
    const line = shownSeries(pick);
    const pixel = pick.pixel ?? [NaN, NaN];
    const place = pick.station?.lonlat ?? (pick.pixel && pick.result.lonlat(...pixel)) ?? [NaN, NaN];
    return line.times.map((_, t) => [k + 1, pick.station ? `GNSS ${pick.station.name}` : pick.result.about.name, ...pixel, ...place, datesOf(pick)[t].slice(0, 10), line.values[t], line.errors?.[t] ?? NaN, line.subset?.[t] ?? NaN]);
  });
  const head = ["point", "result", "row", "column", "longitude", "latitude", "date", "displacement_mm", "displacement_std_mm", "network_subset"];
  return save(csv([head, ...rows]), "series.csv");
}

function saveGeojson() {
  if (!page.picks.length) throw new Error("There is no point: click the map for the series of a pixel first.");
  const features = page.picks.map((pick, k) => {
    const line = shownSeries(pick);
    const level = page.reference?.levels.get(pick.result);
    const properties = { point: k + 1, result: pick.result.about.name, ...(pick.station ? { station: pick.station.name } : pick.pixel ? { row: pick.pixel[0], column: pick.pixel[1] } : { pixels: pick.pixels }) };
    if (pick.data.maps.velocity !== undefined) properties.velocity_mm_yr = 1000 * (pick.data.maps.velocity - (level?.maps.velocity ?? 0));
    line.times.forEach((_, t) => {
      properties[datesOf(pick)[t].slice(0, 10).replaceAll("-", "")] = line.values[t];
    });
    return { type: "Feature", geometry: geometryOf(pick), properties };
  });
  save(geojson(features), "points.geojson");
}

const datesOf = ({ result, station }) => (station ? result.about.gnss.dates : result.about.dates);

/** Where a pixel, an area or a station is, in GeoJSON. */
function geometryOf({ result, pixel, area, station }) {
  if (station) return { type: "Point", coordinates: station.lonlat };
  const at = (row, col) => {
    const place = result.lonlat(row, col);
    if (!place) throw new Error("GeoJSON: the result is in radar coordinates, so nothing says where its pixels are; save CSV.");
    return [((((place[0] + 180) % 360) + 360) % 360) - 180, place[1]];
  };
  if (pixel) return { type: "Point", coordinates: at(...pixel) };
  const frame = frameOf(result);
  const ring = area.ring.map((corner) => at(...frame.position(corner)));
  return { type: "Polygon", coordinates: [[...ring, ring[0]]] };
}

// -- start

/** Let the server read all dates before the first one is asked for. */
function readAhead() {
  const { result } = page.slots[0];
  const layer = result.about.layers.find((one) => one.dated);
  if (layer) result.overview(layer, result.times.length - 1).catch(failed);
}

async function watch() {
  try {
    const answer = await fetch("status.json");
    if (!answer.ok) return; // a folder on a web server has none
    if (!page.ahead && page.slots[0].style) {
      page.ahead = true;
      setTimeout(readAhead, POLL);
    }
    const { stores } = await answer.json();
    const shown = visible().map((slot) => stores[slot.result.number]).filter(Boolean);
    const damage = shown.flatMap((store) => store.damage);
    const progress = Math.min(...shown.map((store) => store.progress), 1);
    const waiting = progress < 1 ? `reading all dates: ${Math.floor(100 * progress)} %` : "";
    if (shown.some((store) => store.changed)) say("The result has changed on the disk: reload the page to see it.");
    else if (damage.length) say(`Damaged, shown as no data: ${damage[0]}${damage.length > 1 ? ` and ${damage.length - 1} more` : ""}. Run: insarray status STORE --discard-damaged`);
    if (waiting) $("status").textContent = waiting;
    else if ($("status").textContent.startsWith("reading all dates")) $("status").textContent = "";
    setTimeout(watch, POLL);
  } catch {
    say("The server has ended: run insarray view again.");
  }
}

function keys(event) {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const tool = Object.keys(TOOLS).find((name) => TOOLS[name].key === event.key.toLowerCase());
  if (tool) setTool(tool);
  if (event.key === "Escape") {
    if (page.tool !== "series") setTool("series");
    else clear();
    say(page.problem);
  }
  const step = { ",": -1, ".": 1 }[event.key];
  const [slot] = page.slots;
  if (step && slot.layer.dated) {
    slot.date = Math.min(Math.max(slot.date + step, 0), slot.result.times.length - 1);
    slot.refresh();
  }
}

function clear() {
  page.picks = [];
  removeArea();
}

function removeMeasure() {
  page.measure = null;
  showMeasure();
  mark();
}

function removeProfile() {
  page.profile = null;
  safely(showProfile)();
  mark();
}

const fade = () => page.panes.forEach((pane) => pane.fade($("opacity").value / 100));

function connect() {
  $("opacity").addEventListener("input", fade);
  for (const tool of Object.keys(TOOLS)) $(`tool-${tool}`).addEventListener("click", () => setTool(tool));
  $("mode").addEventListener("change", () => setMode($("mode").value));
  $("difference").addEventListener("change", showPicks);
  $("clear").addEventListener("click", clear);
  $("clear-profile").addEventListener("click", removeProfile);
  $("clear-area").addEventListener("click", removeArea);
  $("clear-measure").addEventListener("click", removeMeasure);
  $("area-reference").addEventListener("click", safely(() => setReference({ ring: page.area.ring })));
  $("reset-reference").addEventListener("click", () => useReference(null));
  $("save-png").addEventListener("click", safely(savePng));
  $("save-csv").addEventListener("click", safely(saveCsv));
  $("save-geojson").addEventListener("click", safely(saveGeojson));
  addEventListener("keydown", keys);
}

async function start() {
  const answer = await fetch("view.json");
  if (!answer.ok) throw new Error(`view.json cannot be read: the server answers ${answer.status}`);
  const { stores, basemap } = await answer.json();
  const problems = [];
  const results = [];
  for (const [number, store] of stores.entries()) {
    try {
      if (store.error) throw new Error(store.error);
      const result = await Result.open(store.url);
      result.number = number;
      results.push(result);
    } catch (error) {
      problems.push(error.message.includes(store.name) ? error.message : `${store.name}: ${error.message}`);
    }
  }
  page.problem = problems.length ? `${problems.join("; ")}. Reload the page to try again.` : "";
  say(page.problem);
  document.body.dataset.ready = "yes";
  if (!results.length) return;
  document.querySelector("main").hidden = false;
  for (const name of ["series", "profile", "histogram"]) charts[name] = new Chart($(`${name}-plot`));
  page.slots = [0, 1].map((number) => new Slot(number, results, changed));
  if (results.length === 1 && results[0].about.layers.length > 1) page.slots[1].choose(results[0].about.layers[1].name);
  $("maps").append(...page.slots.map((slot) => slot.element));
  page.swipe = make("input", { type: "range", id: "swipe", min: 0, max: 1000, value: 500, "aria-label": "Where the second map begins" });
  page.slots[0].map.append(page.swipe);
  page.panes = page.slots.map((slot) => {
    const pane = new Pane(slot.map, { onClick: (...given) => onClick(pane)(...given), onMove: (at) => onMove(slot, pane)(at), onError: failed, basemap, onDrawn, words: (line) => (page.tool === "polygon" ? "" : lineWords(line)) });
    return pane;
  });
  page.swipe.addEventListener("input", () => page.panes[0].swipe(page.swipe.value / 1000));
  connect();
  $("opacity-label").hidden = !basemap;
  if (basemap) fade();
  showPicks();
  setMode("single");
  describe(page.slots[0].result);
  document.body.dataset.shown = "yes";
  watch();
}

start().catch((error) => failed(error));

/** For tests and the console of the browser: what the page shows. */
globalThis.insarray = page;
