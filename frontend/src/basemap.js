// A map below the result, of tiles in Web Mercator that are warped to the coordinates of the result.
import TileLayer from "ol/layer/Tile.js";
import { addCoordinateTransforms, fromLonLat, toLonLat } from "ol/proj.js";
import XYZ from "ol/source/XYZ.js";

const STEP = 0.5; // pixels of the numeric derivative
const ROUNDS = 12;

export function basemapOf(url) {
  return new TileLayer({ source: new XYZ({ url, crossOrigin: "anonymous", maxZoom: 19 }), properties: { basemap: true } });
}

/** Let OpenLayers go from map coordinates of a result to Web Mercator and back. */
export function connectProjection(projection, frame) {
  const { result, aspect, shift } = frame;
  const geographic = result.isPoints; // whose places are degrees
  const forth = ([x, y]) => fromLonLat(geographic ? [x - shift, y / aspect] : result.lonlat(...frame.position([x, y])));
  const back = (there) => (geographic ? [toLonLat(there)[0] + shift, toLonLat(there)[1] * aspect] : frame.place(...inverse(result, toLonLat(there))));
  addCoordinateTransforms(projection, "EPSG:3857", forth, back);
}

/** Row and column of a longitude and latitude, by Newton's method. */
function inverse(result, [lon, lat]) {
  let [row, col] = result.about.shape.map((size) => size / 2);
  const near = (value) => value + 360 * Math.round((result.lonlat(row, col)[0] - value) / 360);
  const target = [near(lon), lat];
  for (let k = 0; k < ROUNDS; k++) {
    const here = result.lonlat(row, col);
    const [down, right] = [result.lonlat(row + STEP, col), result.lonlat(row, col + STEP)].map((there) => [0, 1].map((c) => (there[c] - here[c]) / STEP));
    const miss = [0, 1].map((c) => target[c] - here[c]);
    const size = down[0] * right[1] - right[0] * down[1];
    row += (miss[0] * right[1] - right[0] * miss[1]) / size;
    col += (down[0] * miss[1] - miss[0] * down[1]) / size;
  }
  return [row, col];
}
