// Numbers and colours.

const SHORT = 3; // times that one sign must be larger than the other for the bar to end where the other does

/** Percentile of sorted values, with linear interpolation. */
export function percentile(sorted, percent) {
  const at = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

export function finite(values) {
  return Float64Array.from(values).filter(Number.isFinite);
}

/** Ends of the colours and their scheme, of values in the units of the bar: all but some percent at either end. */
export function limitsOf(layer, values, outside) {
  const sorted = finite(values).sort();
  if (layer.limits) return { low: layer.limits[0], high: layer.limits[1], scheme: layer.scheme };
  if (!sorted.length) return { low: 0, high: 1, scheme: layer.scheme };
  let [low, high] = [percentile(sorted, outside), percentile(sorted, 100 - outside)];
  let { scheme } = layer;
  if (scheme === "RdBu" || (low < 0 && high > 0)) {
    // about zero; where one sign is much smaller than the other, or not there, the bar ends where it does
    const size = percentile(sorted.map(Math.abs).sort(), 100 - outside);
    const [least, most] = [-low, high].map((end) => (end < size / SHORT ? Math.max(end, 0) : size));
    [low, high, scheme] = [-least, most, "RdBu"];
  }
  if (!(high > low)) [low, high] = [low - 0.5, high + 0.5];
  return { low, high, scheme };
}

/** Colours between two ends: of a scheme of both signs the part about zero that they take. */
export function coloursOf(about, scheme, low, high) {
  const whole = palette(about.colours[scheme]);
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (scheme !== "RdBu" || !(size > 0)) return whole;
  return whole.map((_, k) => whole[Math.round(127.5 * ((low + ((high - low) * k) / 255) / size + 1))]);
}

/** 256 colours as 32-bit numbers of an image, r g b a in memory. */
export function palette(hex) {
  const bytes = new Uint8ClampedArray(4 * (hex.length / 6));
  for (let k = 0; k < hex.length / 6; k++) {
    for (let c = 0; c < 3; c++) bytes[4 * k + c] = Number.parseInt(hex.slice(6 * k + 2 * c, 6 * k + 2 * c + 2), 16);
    bytes[4 * k + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}

/** Function of a stored value that gives its colour; 0 is transparent. */
export function colouring(style) {
  const { low, high, colours, scale, offset, classes } = style;
  if (classes) return (value) => (Number.isFinite(value) ? (colours[value] ?? 0) : 0);
  const factor = 256 / (high - low);
  return (value) => {
    if (!Number.isFinite(value)) return 0;
    const k = Math.floor(((value - offset) * scale - low) * factor);
    return colours[k < 0 ? 0 : k > 255 ? 255 : k];
  };
}

/** Text of a number with as many digits as a step needs. */
export function text(value, digits = 2) {
  if (!Number.isFinite(value)) return "no data";
  return value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212");
}

/** Digits after the point that show hundredths of a range. */
export function digitsFor(low, high) {
  return Math.min(Math.max(2 - Math.floor(Math.log10(Math.max(high - low, 1e-12))), 0), 8);
}

export function histogram(values, low, high, bins = 60) {
  const counts = new Array(bins).fill(0);
  for (const value of values) if (value >= low && value <= high) counts[Math.min(Math.floor(((value - low) / (high - low)) * bins), bins - 1)]++;
  return counts;
}

/** Metres of a row and of a column at a row; null in radar coordinates. Rows and columns of points are degrees. */
function metresAt(about, row) {
  const { metres, transform, crs, geographic } = about;
  if (!crs || !metres) return null;
  if (!transform) return [metres[1], metres[0]];
  const y = (at) => ((transform[5] + (at + 0.5) * transform[4]) * Math.PI) / 180;
  const narrower = geographic ? Math.cos(y(row)) / Math.cos(y(about.shape[0] / 2 - 0.5)) : 1;
  return [transform[4] * metres[1], transform[0] * metres[0] * narrower];
}

/** Length in m of a line through places in rows and columns, null in radar coordinates. */
export function lengthOf(about, places) {
  let sum = 0;
  for (let k = 1; k < places.length; k++) {
    const [from, to] = [places[k - 1], places[k]];
    const size = metresAt(about, (from[0] + to[0]) / 2);
    if (!size) return null;
    sum += Math.hypot((to[0] - from[0]) * size[0], (to[1] - from[1]) * size[1]);
  }
  return sum;
}

/** Size in square metres of a ring of places in rows and columns, null in radar coordinates. */
export function sizeOf(about, ring) {
  const size = metresAt(about, (Math.min(...ring.map((at) => at[0])) + Math.max(...ring.map((at) => at[0]))) / 2);
  if (!size) return null;
  const twice = ring.reduce((sum, [row, col], k) => {
    const [nextRow, nextCol] = ring[(k + 1) % ring.length];
    return sum + row * nextCol - nextRow * col;
  }, 0);
  return Math.abs((twice / 2) * size[0] * size[1]);
}

/** Length or direction in words. */
export function distanceWords(metres) {
  return metres < 1000 ? `${text(metres, 0)} m` : `${text(metres / 1000, 3)} km`;
}
