// A map of one layer in the coordinates of its result, or of two layers that are swiped.
import Feature from "ol/Feature.js";
import OlMap from "ol/Map.js";
import View from "ol/View.js";
import { defaults as defaultControls } from "ol/control/defaults.js";
import ScaleLine from "ol/control/ScaleLine.js";
import { never } from "ol/events/condition.js";
import { containsExtent } from "ol/extent.js";
import LineString from "ol/geom/LineString.js";
import Point from "ol/geom/Point.js";
import Polygon from "ol/geom/Polygon.js";
import DoubleClickZoom from "ol/interaction/DoubleClickZoom.js";
import Draw, { createBox } from "ol/interaction/Draw.js";
import Layer from "ol/layer/Layer.js";
import VectorLayer from "ol/layer/Vector.js";
import Projection from "ol/proj/Projection.js";
import VectorSource from "ol/source/Vector.js";
import { Circle, Fill, RegularShape, Stroke, Style, Text } from "ol/style.js";
import "ol/ol.css";
import { basemapOf, connectProjection } from "./basemap.js";
import { colouring } from "./figures.js";

/** Where pixels of a result are on the map. Latitudes are stretched, so that distances look alike in both directions. */
export class Frame {
  constructor(result, first = result) {
    const { about } = result;
    this.result = result;
    this.aspect = first.about.aspect;
    this.shift = 0;
    if (result.isPoints) {
      [this.left, this.dx, this.top, this.dy] = [0, 1, 0, 1];
    } else {
      [this.dx, , this.left, , this.dy, this.top] = about.transform;
      if (!about.crs) [this.top, this.dy] = [-this.top * Math.sign(this.dy), -Math.abs(this.dy)]; // the first row is above
    }
    const middle = (extent) => (extent[0] + extent[2]) / 2;
    if (first !== result && about.geographic) this.shift = 360 * Math.round((middle(new Frame(first).extent) - middle(this.extent)) / 360);
  }

  /** Map coordinates of a place in rows and columns. */
  place(row, col) {
    const { result, shift } = this;
    if (result.isPoints) return [result.x[col] + shift, result.y[col] * this.aspect];
    return [this.left + (col + 0.5) * this.dx + shift, (this.top + (row + 0.5) * this.dy) * this.aspect];
  }

  /** Row and column, not rounded, of map coordinates. */
  position([x, y]) {
    return [(y / this.aspect - this.top) / this.dy - 0.5, (x - this.shift - this.left) / this.dx - 0.5];
  }

  /** Row and column of the pixel, or of the nearest point within a distance; null outside. */
  pixel(coordinate, distance) {
    const { result } = this;
    if (result.isPoints) {
      let [best, found] = [distance ** 2, null];
      for (let k = 0; k < result.x.length; k++) {
        const [x, y] = this.place(0, k);
        const square = (x - coordinate[0]) ** 2 + (y - coordinate[1]) ** 2;
        if (square <= best) [best, found] = [square, [0, k]];
      }
      return found;
    }
    const [row, col] = this.position(coordinate).map(Math.round);
    const [height, width] = result.about.shape;
    return row >= 0 && col >= 0 && row < height && col < width ? [row, col] : null;
  }

  get extent() {
    const { result } = this;
    let [xs, ys] = [[this.left, this.left + result.about.shape[1] * this.dx], [this.top, this.top + result.about.shape[0] * this.dy]];
    if (result.isPoints) {
      const ends = (values) => values.reduce(([low, high], v) => (Number.isFinite(v) ? [Math.min(low, v), Math.max(high, v)] : [low, high]), [Infinity, -Infinity]);
      [xs, ys] = [ends(result.x), ends(result.y)];
      const margin = Math.max(xs[1] - xs[0], ys[1] - ys[0], 1e-3) * 0.05;
      [xs, ys] = [[xs[0] - margin, xs[1] + margin], [ys[0] - margin, ys[1] + margin]];
    }
    ys = ys.map((y) => y * this.aspect);
    return [Math.min(...xs) + this.shift, Math.min(...ys), Math.max(...xs) + this.shift, Math.max(...ys)];
  }
}

/** A layer of a result that OpenLayers draws: `shown` is {frame, layer, date, style, key}. */
class ResultLayer extends Layer {
  constructor(onChange) {
    super({});
    this.shown = null;
    this.from = 0; // share of the width from which on it is drawn
    this.onChange = onChange;
    this.canvas = document.createElement("canvas");
    this.box = document.createElement("div"); // OpenLayers draws marks into a bare canvas
    this.box.className = "result";
    this.box.append(this.canvas);
  }

  getSourceState() {
    return "ready";
  }

  render(state) {
    const ratio = state.pixelRatio;
    const [width, height] = state.size.map((side) => Math.round(side * ratio));
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    canvas.style.width = `${state.size[0]}px`;
    canvas.style.height = `${state.size[1]}px`;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    this.missing = 0;
    if (!this.shown) return this.box;
    context.save();
    context.beginPath();
    context.rect(this.from * width, 0, width, height);
    context.clip();
    context.imageSmoothingEnabled = false;
    const { center, resolution } = state.viewState;
    const toCanvas = ([x, y]) => [((x - center[0]) / resolution) * ratio + width / 2, ((center[1] - y) / resolution) * ratio + height / 2];
    if (this.shown.frame.result.isPoints) this.drawPoints(context, toCanvas, ratio);
    else this.drawTiles(context, toCanvas, resolution / ratio);
    context.restore();
    return this.box;
  }

  drawTiles(context, toCanvas, resolution) {
    const { frame } = this.shown;
    const { levels } = frame.result.about;
    const wanted = Math.min(Math.max(Math.floor(Math.log2(resolution / Math.abs(frame.dx)) + 0.25), 0), levels - 1);
    this.drawLevel(context, toCanvas, levels - 1);
    if (wanted < levels - 1) this.drawLevel(context, toCanvas, wanted);
  }

  drawLevel(context, toCanvas, level) {
    const { frame, layer, date } = this.shown;
    const { result } = frame;
    const size = 256 * 2 ** level;
    const [rows, cols] = result.about.shape;
    const { width, height } = context.canvas;
    for (let i = 0; i * size < rows; i++) {
      for (let j = 0; j * size < cols; j++) {
        const [x0, y0] = toCanvas(frame.place(i * size - 0.5, j * size - 0.5));
        const [x1, y1] = toCanvas(frame.place((i + 1) * size - 0.5, (j + 1) * size - 0.5));
        if (Math.max(x0, x1) < 0 || Math.max(y0, y1) < 0 || Math.min(x0, x1) > width || Math.min(y0, y1) > height) continue;
        const tile = this.tile(result.tile(layer, date, level, i, j));
        if (!tile) continue;
        context.save();
        context.transform((x1 - x0) / 256, 0, 0, (y1 - y0) / 256, x0, y0);
        context.clearRect(0, 0, 256, 256);
        context.drawImage(tile, 0, 0);
        context.restore();
      }
    }
  }

  /** Picture of a tile in the present colours; null while it is loading. */
  tile(tile) {
    if (!this.loaded(tile)) return null;
    if (tile.styled !== this.shown.key) {
      tile.canvas ??= Object.assign(document.createElement("canvas"), { width: tile.width, height: tile.height });
      const image = new ImageData(tile.width, tile.height);
      const [pixels, colour] = [new Uint32Array(image.data.buffer), colouring(this.shown.style)];
      for (let k = 0; k < pixels.length; k++) pixels[k] = colour(tile.values[k]);
      tile.canvas.getContext("2d").putImageData(image, 0, 0);
      tile.styled = this.shown.key;
    }
    return tile.canvas;
  }

  loaded(tile) {
    if (tile.values) return true;
    if (!tile.error) {
      this.missing++;
      tile.loaded.then(() => {
        if (tile.error) this.onChange(tile.error);
        this.changed();
      });
    }
    return false;
  }

  drawPoints(context, toCanvas, ratio) {
    const { frame, layer, date, style } = this.shown;
    const { result } = frame;
    const { width, height } = context.canvas;
    const image = new ImageData(width, height);
    const [pixels, colour] = [new Uint32Array(image.data.buffer), colouring(style)];
    const half = Math.round(2.5 * ratio);
    const left = Math.max(Math.round(this.from * width), 0);
    for (let part = 0; part * result.chunkOfPoints < result.x.length; part++) {
      const tile = result.tile(layer, date, 0, 0, part);
      if (!this.loaded(tile)) continue;
      const start = part * tile.width;
      for (let k = start; k < Math.min(start + tile.width, result.x.length); k++) {
        const shade = colour(tile.values[k - start]);
        if (!shade) continue;
        const [x, y] = toCanvas(frame.place(0, k)).map(Math.round);
        for (let v = Math.max(y - half, 0); v <= Math.min(y + half, height - 1); v++)
          for (let u = Math.max(x - half, left); u <= Math.min(x + half, width - 1); u++) pixels[v * width + u] = shade;
      }
    }
    context.putImageData(image, 0, 0);
  }
}

const halo = new Stroke({ color: "white", width: 4 });

/** Where the label of a line or an area is. */
function labelled(geometry) {
  return geometry instanceof LineString ? new Point(geometry.getLastCoordinate()) : geometry;
}

function styleOf(feature) {
  const colour = feature.get("colour") ?? "#000000";
  const label = feature.get("label");
  const side = feature.get("kind") === "station" ? { offsetX: -10, textAlign: "right" } : { offsetX: 10, textAlign: "left" };
  const text = label ? new Text({ text: label, font: "bold 13px sans-serif", ...side, fill: new Fill({ color: "#000000" }), stroke: new Stroke({ color: "white", width: 3 }) }) : undefined;
  if (feature.get("kind") === "reference" && feature.getGeometry() instanceof Point)
    return new Style({ image: new RegularShape({ points: 4, radius: 7, angle: Math.PI / 4, fill: new Fill({ color: "#000000" }), stroke: new Stroke({ color: "white", width: 2 }) }), text });
  if (feature.get("kind") === "station")
    return new Style({ image: new RegularShape({ points: 3, radius: 8, fill: new Fill({ color: "#ffd92f" }), stroke: new Stroke({ color: "#000000", width: 1.5 }) }), text });
  if (feature.getGeometry() instanceof Point)
    return new Style({ image: new Circle({ radius: 6, fill: new Fill({ color: colour }), stroke: new Stroke({ color: "white", width: 2 }) }), text });
  return [new Style({ stroke: halo }), new Style({ stroke: new Stroke({ color: colour, width: 2 }) }), new Style({ text, geometry: labelled(feature.getGeometry()) })];
}

/** What can be drawn: corners by clicks, the last of which is clicked twice; Shift and a drag draw freely. */
const SHAPES = {
  box: { type: "Circle", geometryFunction: createBox(), freehandCondition: never },
  line: { type: "LineString", maxPoints: 2, freehandCondition: never },
  path: { type: "LineString" },
  polygon: { type: "Polygon" },
};

/** A map; `other` is the layer that is swiped over `layer`. */
export class Pane {
  constructor(element, { onClick, onMove, onError, onDrawn, words, basemap }) {
    Object.assign(this, { onDrawn, words, basemap: basemap ? basemapOf(basemap) : null });
    this.layer = new ResultLayer(onError);
    this.other = new ResultLayer(onError);
    this.marks = new VectorSource();
    this.scale = new ScaleLine({ minWidth: 80 });
    this.map = new OlMap({
      target: element,
      layers: [...(this.basemap ? [this.basemap] : []), this.layer, this.other, new VectorLayer({ source: this.marks, style: styleOf })],
      controls: defaultControls({ rotate: false, attribution: false }),
    });
    this.map.on("click", (event) => onClick(event.coordinate, event.originalEvent));
    this.map.on("pointermove", (event) => !event.dragging && onMove(event.coordinate));
  }

  /** Look at a result; a view that shows it already stays. */
  look(frame, { metres, known }) {
    const { extent } = frame;
    const key = [known, frame.aspect].join(" ");
    if (this.viewKey === key && containsExtent(this.bounds, extent)) return;
    [this.viewKey, this.bounds] = [key, extent];
    const margin = Math.max(extent[2] - extent[0], extent[3] - extent[1]);
    const around = [extent[0] - margin / 4, extent[1] - margin / 4, extent[2] + margin / 4, extent[3] + margin / 4];
    const projection = new Projection({ code: `result-${key}-${around}`, units: "m", metersPerUnit: metres ?? 1, extent: around, global: false });
    this.basemap?.setVisible(Boolean(known));
    if (this.basemap && known) connectProjection(projection, frame);
    const view = new View({
      projection,
      enableRotation: false,
      minResolution: Math.abs(frame.result.isPoints ? margin / 1e5 : frame.dx) / 32,
      maxResolution: margin / 100,
      extent: [extent[0] - margin, extent[1] - margin, extent[2] + margin, extent[3] + margin],
      constrainOnlyCenter: true,
      showFullExtent: true,
    });
    this.map.setView(view);
    this.map.removeControl(this.scale);
    if (metres) this.map.addControl(this.scale);
    this.fit();
  }

  fit() {
    this.map.updateSize();
    if (this.map.getSize() && this.bounds) this.map.getView().fit(this.bounds, { padding: [12, 12, 12, 12], size: this.map.getSize() });
  }

  get resolution() {
    return this.map.getView().getResolution();
  }

  show(layer, shown) {
    layer.shown = shown;
    layer.changed();
  }

  /** Let what is below be seen through the result. */
  fade(opacity) {
    for (const layer of [this.layer, this.other]) layer.box.style.opacity = opacity;
  }

  swipe(share) {
    this.other.from = share;
    this.other.changed();
  }

  mark(features) {
    this.marks.clear();
    this.marks.addFeatures(
      features.map(({ at, ring, line, ...more }) => {
        const geometry = at ? new Point(at) : line ? new LineString(line) : new Polygon([[...ring, ring[0]]]);
        return new Feature({ geometry, ...more });
      }),
    );
  }

  /** Let clicks draw a shape, null: none. */
  draw(shape) {
    if (this.drawing) this.map.removeInteraction(this.drawing);
    this.drawing = null;
    for (const one of this.map.getInteractions().getArray()) if (one instanceof DoubleClickZoom) one.setActive(!shape);
    if (!shape) return;
    this.drawing = new Draw({ ...SHAPES[shape], stopClick: true, style: (feature) => this.sketched(feature) });
    this.drawing.on("drawend", ({ feature }) => {
      const coordinates = feature.getGeometry().getCoordinates();
      this.onDrawn(shape === "box" || shape === "polygon" ? coordinates[0].slice(0, -1) : coordinates);
    });
    this.map.addInteraction(this.drawing);
  }

  /** Whether a shape is begun. */
  get begun() {
    return Boolean(this.drawing?.getOverlay().getSource().getFeatures().some((feature) => !(feature.getGeometry() instanceof Point)));
  }

  sketched(feature) {
    const geometry = feature.getGeometry();
    const marked = { kind: "sketch", colour: "#000000", label: geometry instanceof LineString ? this.words(geometry.getCoordinates()) : "" };
    return styleOf(new Feature({ geometry, ...marked }));
  }

  get canvases() {
    return [...this.map.getViewport().querySelectorAll(".ol-layers canvas")];
  }
}
