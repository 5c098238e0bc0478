// Results as the page reads them: Zarr groups, from the server of "insarray view" or from any web server.
import * as zarr from "zarrita";
import { windows } from "./areas.js";

const TILES_KEPT = 400;
const MOST_SERIES = 2 ** 26; // numbers of the series that are read for the mean of an area
const MOST_PIXELS = 2 ** 22; // of an area whose statistics are of single pixels
const WINDOW = [32, 512]; // rows and columns that are read together for a mean: the server decodes whole rows of chunks

/** Files below an address, as zarrita reads them; a server that knows no ranges sends the whole file. */
class Files {
  constructor(base) {
    this.base = base;
  }

  async get(key) {
    const answer = await fetch(this.base + key);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 500) || `the server answers ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  async getRange(key, range) {
    const words = "suffixLength" in range ? `-${range.suffixLength}` : `${range.offset}-${range.offset + range.length - 1}`;
    const answer = await fetch(this.base + key, { headers: { Range: `bytes=${words}` } });
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (answer.status === 206) return bytes;
    return "suffixLength" in range ? bytes.slice(-range.suffixLength) : bytes.slice(range.offset, range.offset + range.length);
  }
}

/** A result: what it has (`about`), its maps, and values of pixels and areas. */
export class Result {
  static async open(url) {
    const root = zarr.root(new Files(url));
    const group = await zarr.open.v3(root, { kind: "group" });
    const result = new Result(root, group.attrs.insarray);
    if (result.isPoints) {
      const places = await zarr.get(await result.array("places"));
      const count = places.shape[1];
      result.x = places.data.subarray(0, count);
      result.y = places.data.subarray(count);
    }
    return result;
  }

  constructor(root, about) {
    this.root = root;
    this.about = about;
    this.arrays = new Map();
    this.tiles = new Map();
    this.times = about.dates.map((text) => Date.parse(`${text}Z`) / 1000);
  }

  get isPoints() {
    return this.about.kind === "points";
  }

  layer(name) {
    return this.about.layers.find((layer) => layer.name === name);
  }

  array(path) {
    if (!this.arrays.has(path)) this.arrays.set(path, zarr.open.v3(this.root.resolve(path), { kind: "array" }));
    return this.arrays.get(path);
  }

  /** A chunk of a map: {values, width, height}; `values` is undefined until it is there. */
  tile(layer, date, level, row, col) {
    const key = `${layer.key}/${layer.dated ? date : 0}/${level}/${row}/${col}`;
    let tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
    } else {
      tile = { values: undefined, error: undefined, key };
      tile.loaded = this.array(`maps/${level}/${layer.key}`)
        .then((array) => array.getChunk(layer.dated ? [date, row, col] : [row, col]))
        .then(({ data, shape }) => {
          [tile.height, tile.width] = shape.slice(-2);
          tile.values = data;
        })
        .catch((error) => {
          tile.error = error;
        });
    }
    this.tiles.set(key, tile);
    if (this.tiles.size > TILES_KEPT) this.tiles.delete(this.tiles.keys().next().value);
    return tile;
  }

  async loadedTile(...place) {
    const tile = this.tile(...place);
    await tile.loaded;
    if (tile.error) throw tile.error;
    return tile;
  }

  /** All values of the coarsest level, or of all points. */
  async overview(layer, date) {
    if (!this.isPoints) return (await this.loadedTile(layer, date, this.about.levels - 1, 0, 0)).values;
    const parts = [];
    for (let col = 0; col * this.chunkOfPoints < this.about.shape[1]; col++) parts.push(await this.loadedTile(layer, date, 0, 0, col));
    const all = new Float32Array(this.about.shape[1]);
    parts.forEach((part, k) => all.set(part.values.subarray(0, Math.min(part.width, all.length - k * part.width)), k * part.width));
    return all;
  }

  get chunkOfPoints() {
    return Math.min(65536, this.about.shape[1]);
  }

  /** Values of pixels at the finest level. */
  async values(layer, date, rows, cols) {
    const size = this.isPoints ? [1, this.chunkOfPoints] : [256, 256];
    const found = new Float32Array(rows.length);
    const tiles = new Map();
    const at = rows.map((row, k) => [Math.floor(row / size[0]), Math.floor(cols[k] / size[1])]);
    for (const [i, j] of at) {
      const key = `${i}/${j}`;
      if (!tiles.has(key)) tiles.set(key, this.loadedTile(layer, date, 0, i, j));
    }
    for (let k = 0; k < rows.length; k++) {
      const tile = await tiles.get(`${at[k][0]}/${at[k][1]}`);
      found[k] = tile.values[(rows[k] % size[0]) * tile.width + (cols[k] % size[1])];
    }
    return found;
  }

  /** Series and maps of a window: {dates: {name: [time][pixel]}, maps: {name: [pixel]}}. */
  async window(rowStart, rowStop, colStart, colStop) {
    const select = [null, zarr.slice(rowStart, rowStop), zarr.slice(colStart, colStop)];
    const read = async (name) => {
      const { data, shape } = await zarr.get(await this.array(`series/${name}`), select);
      const pixels = shape[1] * shape[2];
      return Array.from({ length: shape[0] }, (_, k) => data.subarray(k * pixels, (k + 1) * pixels));
    };
    const { series, maps } = this.about;
    const [layers, ...dated] = await Promise.all([maps.length ? read("maps") : [], ...series.map(read)]);
    return {
      dates: Object.fromEntries(series.map((name, k) => [name, dated[k]])),
      maps: Object.fromEntries(maps.map((name, k) => [name, layers[k]])),
    };
  }

  /** Series of a pixel: times in s, displacement, std, subset (arrays or undefined), maps, and the fitted curve. */
  async pixel(row, col) {
    const { dates, maps } = await this.window(row, row + 1, col, col + 1);
    const one = (name) => dates[name]?.map((values) => values[0]);
    const values = Object.fromEntries(Object.entries(maps).map(([name, found]) => [name, found[0]]));
    return {
      displacement: one("displacement"),
      std: one("displacement_std"),
      subset: one("network_subset"),
      maps: values,
      curve: this.about.model ? this.curve(this.factors(maps, 0)) : undefined,
    };
  }

  /** What the columns of the fitted functions are multiplied with at a pixel of maps; undefined if some are missing. */
  factors(maps, k) {
    const found = this.about.model.terms.map((term) => {
      const value = maps[term.map][k];
      if (term.function === "cosine") return value * Math.cos(maps[term.phase][k]);
      return term.function === "sine" ? value * Math.sin(maps[term.phase][k]) : value;
    });
    return found.every(Number.isFinite) ? found : undefined;
  }

  /** Displacement of the fitted functions, or of their mean, at the times of the model. */
  curve(factors) {
    if (!factors) return undefined;
    const { times, terms } = this.about.model;
    return Float64Array.from(times, (_, t) => terms.reduce((sum, term, n) => sum + factors[n] * term.values[t], 0));
  }

  /** Mean of the pixels of a region that have all dates: what is to be subtracted for another reference. */
  async level(region) {
    const { series, layers, dates } = this.about;
    const moved = series.includes("displacement");
    const relative = layers.filter((layer) => layer.relative && !layer.dated).map((layer) => layer.name);
    const parts = [];
    let asked = 0;
    for (const part of windows(region, this.isPoints ? [1, 1024] : WINDOW)) {
      parts.push(part);
      asked += (part[0][1] - part[0][0]) * (part[1][1] - part[1][0]) * series.length * Math.max(dates.length, 1);
      if (asked > MOST_SERIES) throw new Error("the area has more pixels than are read at once; draw a smaller one");
    }
    const sums = { dates: moved ? dates.map(() => new Mean()) : undefined, maps: Object.fromEntries(relative.map((name) => [name, new Mean()])), factors: this.about.model?.terms.map(() => new Mean()) };
    let [pixels, most, total] = [0, 0, 0];
    for (const [rows, cols, numbers] of parts) {
      const { dates: found, maps } = await this.window(...rows, ...cols);
      for (const k of numbers) {
        total++;
        const seen = moved ? found.displacement.filter((values, t) => Number.isFinite(values[k]) && (!found.network_subset || found.network_subset[t][k] === 1)).length : 0;
        most = Math.max(most, seen);
        if (moved ? seen < dates.length : !relative.length || !Number.isFinite(maps[relative[0]][k])) continue;
        pixels++;
        sums.dates?.forEach((sum, t) => sum.add(found.displacement[t][k]));
        for (const name of relative) sums.maps[name].add(maps[name][k]);
        if (sums.factors) this.factors(maps, k)?.forEach((value, n) => sums.factors[n].add(value));
      }
    }
    if (!pixels) throw new Error(moved && total ? `no pixel there has all ${dates.length} dates tied to the reference date (at most ${most}); choose another place` : "no data there; choose another place");
    const factors = sums.factors?.map((sum) => sum.value);
    return {
      pixels,
      dates: sums.dates?.map((sum) => sum.value),
      maps: Object.fromEntries(relative.map((name) => [name, sums.maps[name].value])),
      curve: factors?.every(Number.isFinite) ? this.curve(factors) : undefined,
    };
  }

  /** Values of a map in a region: of its pixels, or of those of a coarser level (`step` pixels wide) if there are very many. */
  async inside(layer, date, region, most = MOST_PIXELS) {
    const pixels = (region.rows[1] - region.rows[0]) * (region.cols[1] - region.cols[0]);
    const level = this.isPoints ? 0 : Math.min(Math.max(Math.ceil(Math.log2(pixels / most) / 2), 0), this.about.levels - 1);
    const step = 2 ** level;
    const coarse = { rows: region.rows.map((at) => Math.ceil(at / step)), cols: region.cols.map((at) => Math.ceil(at / step)), inside: (row, col) => region.inside((row + 0.5) * step - 0.5, (col + 0.5) * step - 0.5) };
    const size = this.isPoints ? [1, this.chunkOfPoints] : [256, 256];
    const found = [];
    for (const [rows, cols, numbers] of windows(step === 1 ? region : coarse, size)) {
      const tile = await this.loadedTile(layer, date, level, Math.floor(rows[0] / size[0]), Math.floor(cols[0] / size[1]));
      const wide = cols[1] - cols[0];
      for (const k of numbers) found.push(tile.values[((rows[0] + Math.floor(k / wide)) % size[0]) * tile.width + ((cols[0] + (k % wide)) % size[1])]);
    }
    return { values: Float64Array.from(found), step };
  }

  /** Longitude and latitude of a place in rows and columns (the middle of the first pixel is 0, 0), also around the image; null if unknown. */
  lonlat(row, col) {
    if (this.isPoints) return this.about.geographic ? [this.x[col], this.y[col]] : null;
    const { lonlat, shape } = this.about;
    if (!lonlat) return null;
    const at = [(row + 0.5) / shape[0], (col + 0.5) / shape[1]].map((share) => share * (lonlat.size - 1));
    const [i, j] = at.map((value) => Math.min(Math.max(Math.floor(value), 0), lonlat.size - 2));
    const [a, b] = [at[0] - i, at[1] - j];
    return ["lon", "lat"].map((name) => {
      const value = (di, dj) => lonlat[name][(i + di) * lonlat.size + j + dj];
      return (1 - a) * ((1 - b) * value(0, 0) + b * value(0, 1)) + a * ((1 - b) * value(1, 0) + b * value(1, 1));
    });
  }
}

/** Mean of the finite numbers that were added. */
class Mean {
  constructor() {
    [this.sum, this.count] = [0, 0];
  }

  add(value) {
    if (!Number.isFinite(value)) return;
    this.sum += value;
    this.count++;
  }

  get value() {
    return this.count ? this.sum / this.count : NaN;
  }
}

/** Subtract a level from a series, as pieces of the network see it: each is relative to its own first date. */
export function relativeTo(series, level, subset) {
  const first = new Map();
  subset?.forEach((piece, t) => {
    if (piece > 1 && !first.has(piece)) first.set(piece, level[t]);
  });
  return series.map((value, t) => value - level[t] + (first.get(subset?.[t]) ?? 0));
}
