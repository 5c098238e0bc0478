// What is drawn on the map: areas with their statistics and mean series, and lengths.
import { polygon, rectangle } from "./areas.js";
import { digitsFor, distanceWords, finite, lengthOf, percentile, sizeOf, text } from "./figures.js";
import { $, frameOf, page, visible } from "./page.js";

/** Pixels of a drawn ring, or of the rectangle between two corners. */
export function regionOf(result, { ring, box }) {
  const frame = frameOf(result);
  if (ring || result.isPoints) return polygon(result, frame, ring ?? cornersOf(...box));
  const ends = box.map((at) => frame.position(at));
  const [rows, cols] = [0, 1].map((k) => {
    const [a, b] = ends.map((end) => Math.round(end[k])).sort((u, v) => u - v);
    return [Math.max(a, 0), Math.min(b + 1, result.about.shape[k])];
  });
  return rectangle(rows, cols);
}

export function cornersOf([x0, y0], [x1, y1]) {
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}

export function isEmpty({ rows, cols }) {
  return rows[0] >= rows[1] || cols[0] >= cols[1];
}

/** Size of a ring in words; empty in radar coordinates. */
export function sizeWords(result, ring) {
  const frame = frameOf(result);
  const size = sizeOf(result.about, ring.map((at) => frame.position(at)));
  if (size === null) return "";
  return size < 1e6 ? `${text(size, 0)} m²` : `${text(size / 1e6, 3)} km²`;
}

/** Statistics of the maps that are shown in the area that is drawn. */
export async function showArea() {
  const { area } = page;
  $("area-panel").hidden = !area;
  if (!area) return;
  const words = [];
  for (const slot of visible()) {
    const { result, layer, offset, date, title } = slot;
    const region = regionOf(result, area);
    if (isEmpty(region)) {
      words.push(`${title}: outside the image`);
      continue;
    }
    const { values, step } = await result.inside(layer, date, region);
    if (area !== page.area) return; // another one was drawn meanwhile
    const sorted = finite(values).map((value) => (value - offset) * layer.scale).sort();
    words.push(`${title}: ${statistics(slot, sorted, values.length, step)}`);
  }
  const size = sizeWords(page.slots[0].result, area.ring);
  $("area-words").textContent = [size, ...words, area.problem].filter(Boolean).join("; ");
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function statistics({ layer, result, style }, sorted, all, step) {
  const what = result.isPoints ? "points" : step === 1 ? "pixels" : `means of ${step} × ${step} pixels`;
  const count = `${sorted.length} of ${all} ${what} with data`;
  if (!sorted.length) return count;
  if (layer.classes) return [count, ...layer.classes.map(([name], k) => `${name} ${text((100 * sorted.filter((v) => v === k).length) / sorted.length, 1)} %`)].join(", ");
  const digits = digitsFor(style?.low ?? sorted[0], style?.high ?? sorted.at(-1)) + 1;
  const centre = mean(sorted);
  const deviation = Math.sqrt(mean(sorted.map((value) => (value - centre) ** 2)));
  const say = (value) => text(value, digits);
  return `${count}, mean ${say(centre)}, median ${say(percentile(sorted, 50))}, standard deviation ${say(deviation)}, 5 to 95 %: ${say(percentile(sorted, 5))} to ${say(percentile(sorted, 95))}`;
}

/** Length of a line on the map in words, its parts, and the direction of a straight one. */
export function lineWords(coordinates) {
  const { result } = page.slots[0];
  const places = coordinates.map((at) => frameOf(result).position(at));
  const metres = lengthOf(result.about, places);
  if (metres !== null) return distanceWords(metres);
  const pixels = places.slice(1).reduce((sum, [row, col], k) => sum + Math.hypot(row - places[k][0], col - places[k][1]), 0);
  return `${text(pixels, 1)} pixels`;
}

export function showMeasure() {
  const { measure } = page;
  $("measure-panel").hidden = !measure;
  if (!measure) return;
  const parts = measure.slice(1).map((to, k) => lineWords([measure[k], to]));
  $("measure-words").textContent = parts.length > 1 ? `${lineWords(measure)}: ${parts.join(" + ")}` : parts[0];
}
