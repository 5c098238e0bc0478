// GNSS stations of a comparison: marks, and their series beside those of pixels.
import { relativeTo } from "./data.js";
import { text } from "./figures.js";
import { frameOf } from "./page.js";

/** Stations of a result: {station, at} on the map. */
export function stationsOf(result) {
  const { gnss } = result.about;
  const frame = frameOf(result);
  return (gnss?.stations ?? []).map((station) => ({ station, at: [station.x + frame.shift, station.y * frame.aspect] }));
}

/** The station at a place of the map; undefined if there is none within a distance. */
export function stationAt(result, [x, y], distance) {
  return stationsOf(result).find(({ at }) => Math.hypot(at[0] - x, at[1] - y) <= distance)?.station;
}

/** Its series in mm, relative to a reference that was chosen. */
export function stationSeries(result, station, level) {
  const { dates } = result.about.gnss;
  const times = dates.map((date) => Date.parse(`${date}Z`) / 1000);
  let values = station.gnss.map((value) => value ?? NaN);
  if (level?.dates) {
    const known = new Map(result.times.map((time, k) => [time, level.dates[k]]));
    values = relativeTo(values, times.map((time) => known.get(time) ?? NaN));
  }
  return { times, dates, values: values.map((value) => 1000 * value), errors: station.std.map((value) => (value === null ? NaN : 1000 * value)) };
}

export function stationWords({ name, rms, trend, correlation, gnss }) {
  const seen = gnss.filter((value) => value !== null).length;
  return [
    `GNSS ${name}, along the line of sight`,
    `${seen} of ${gnss.length} dates`,
    Number.isFinite(rms) && `InSAR less GNSS: rms ${text(1000 * rms, 1)} mm`,
    Number.isFinite(trend) && `trend ${text(1000 * trend, 1)} mm/yr`,
    Number.isFinite(correlation) && `correlation ${text(correlation, 2)}`,
  ].filter(Boolean).join("; ");
}
