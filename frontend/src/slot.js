// What a map shows: a result, a layer, a date and colours, and the controls to choose them.
import { coloursOf, digitsFor, limitsOf, palette, text } from "./figures.js";

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const PERCENTS = { 0: "all values", 1: "1 to 99 %", 2: "2 to 98 %", 5: "5 to 95 %" };

export class Slot {
  constructor(number, results, onChange) {
    this.number = number;
    this.results = results;
    this.onChange = onChange;
    this.date = 0;
    this.active = number === 0; // the other one is looked at when results are compared
    this.levels = new Map(); // what is subtracted of results with another reference
    this.build();
    this.use(results[Math.min(number, results.length - 1)]);
  }

  build() {
    const id = (name) => `${name}-${this.number}`;
    this.resultSelect = make("select", { id: id("result"), "aria-label": "Result" }, ...this.results.map((result, k) => make("option", { value: k }, `${k + 1}: ${result.about.name}`)));
    this.layerSelect = make("select", { id: id("layer"), "aria-label": "Map" });
    this.slider = make("input", { id: id("date"), type: "range", min: 0, step: 1, "aria-label": "Date" });
    this.dateWords = make("output", { for: id("date"), id: id("date-words") });
    this.low = make("input", { id: id("low"), type: "number", step: "any", "aria-label": "Lowest value of the colours" });
    this.high = make("input", { id: id("high"), type: "number", step: "any", "aria-label": "Highest value of the colours" });
    this.percent = make("select", { id: id("percent"), "aria-label": "Colours by percentiles" }, ...Object.entries(PERCENTS).map(([value, words]) => make("option", { value }, words)), make("option", { value: "hand" }, "by hand"));
    this.percent.value = "1";
    this.bar = make("canvas", { width: 256, height: 1, class: "bar", role: "img", "aria-label": "Colour bar" });
    this.unit = make("span", { class: "unit" });
    this.legend = make("ul", { class: "legend" });
    this.dateRow = make("div", { class: "row" }, this.slider, this.dateWords);
    this.limitRow = make("div", { class: "row" }, this.low, this.bar, this.high, this.percent);
    this.map = make("div", { class: "map", id: id("map"), tabindex: 0, "aria-label": "Map; arrow keys move it, plus and minus zoom" });
    const choices = make("div", { class: "row" }, ...(this.results.length > 1 ? [this.resultSelect] : []), this.layerSelect);
    this.controls = make("div", { class: "controls" }, choices, this.dateRow, this.limitRow, this.unit, this.legend);
    this.element = make("div", { class: "slot" }, this.controls, this.map);
    this.resultSelect.addEventListener("change", () => this.use(this.results[this.resultSelect.value]));
    this.layerSelect.addEventListener("change", () => this.choose(this.layerSelect.value));
    this.slider.addEventListener("input", () => {
      this.date = Number(this.slider.value);
      this.refresh();
    });
    this.percent.addEventListener("change", () => this.colour());
    for (const input of [this.low, this.high])
      input.addEventListener("change", () => {
        this.percent.value = "hand";
        this.colour();
      });
  }

  use(result) {
    const [name, time] = [this.layer?.name, this.result?.times[this.date]];
    this.result = result;
    this.resultSelect.value = this.results.indexOf(result);
    this.layerSelect.replaceChildren(...result.about.layers.map((layer) => make("option", { value: layer.name }, layer.name.replaceAll("_", " "))));
    const nearest = (t) => result.times.reduce((best, value, k) => (Math.abs(value - t) < Math.abs(result.times[best] - t) ? k : best), 0);
    this.date = time === undefined ? Math.max(result.times.length - 1, 0) : nearest(time);
    this.choose(result.layer(name) ? name : result.about.layers[0].name);
  }

  choose(name) {
    this.layer = this.result.layer(name);
    this.style = undefined; // until its values are known, nothing is drawn
    this.layerSelect.value = name;
    if (this.percent.value === "hand") this.percent.value = "1";
    this.refresh();
    this.colour();
  }

  /** What another reference subtracts here, in stored units. */
  get offset() {
    const level = this.levels.get(this.result);
    if (!level || !this.layer.relative) return 0;
    return (this.layer.dated ? level.dates[this.date] : level.maps[this.layer.name]) ?? 0;
  }

  get dateText() {
    return this.layer.dated ? this.result.about.dates[this.date].replace("T00:00:00", "") : "";
  }

  get title() {
    return `${this.result.about.name}: ${this.layer.label.split("\n")[0]}${this.dateText ? `, ${this.dateText}` : ""}`;
  }

  /** Values of the overview in the units of the bar. */
  async overview() {
    const { layer, offset } = this;
    const values = await this.result.overview(layer, this.date);
    return Float64Array.from(values, (value) => (value - offset) * layer.scale);
  }

  /** Choose the colours, of the date that is shown, then draw. Dates keep the colours, so that they can be compared. */
  async colour() {
    const { layer, result } = this;
    if (!this.active) return undefined;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (layer.classes) {
      const colours = new Uint32Array(layer.classes.map(([, hex]) => palette(hex.slice(1))[0]));
      this.style = { classes: layer.classes, colours };
    } else if (this.percent.value === "hand") {
      const [low, high] = [Number(this.low.value), Number(this.high.value)];
      if (!(high > low)) return this.onChange(this, new Error("colours: the lowest value must be less than the highest"));
      const scheme = this.style?.scheme ?? layer.scheme;
      this.style = { low, high, scheme, colours: coloursOf(result.about, scheme, low, high), scale: layer.scale };
    } else {
      let values;
      try {
        values = await this.overview();
      } catch (error) {
        this.onChange(this, error);
        values = new Float64Array();
      }
      if (turn !== this.turn) return undefined; // something else was chosen meanwhile
      const { low, high, scheme } = limitsOf(layer, values, Number(this.percent.value));
      this.style = { low, high, scheme, colours: coloursOf(result.about, scheme, low, high), scale: layer.scale };
      const digits = digitsFor(low, high);
      [this.low.value, this.high.value] = [low.toFixed(digits), high.toFixed(digits)];
    }
    return this.refresh();
  }

  refresh() {
    const { layer, style } = this;
    this.slider.max = Math.max(this.result.times.length - 1, 0);
    this.slider.value = this.date;
    this.slider.setAttribute("aria-valuetext", this.dateText);
    this.dateWords.textContent = this.dateText;
    this.dateRow.hidden = !layer.dated;
    this.limitRow.hidden = Boolean(layer.classes);
    this.unit.textContent = layer.classes ? layer.meaning : layer.label.replace("\n", ", ");
    this.legend.replaceChildren(
      ...(layer.classes ?? []).map(([name, colour, meaning]) => {
        const patch = make("span", { class: "patch" });
        patch.style.backgroundColor = colour;
        return make("li", {}, patch, ` ${name}${meaning ? `: ${meaning}` : ""}`);
      }),
    );
    if (style && !layer.classes) {
      const image = new ImageData(256, 1);
      new Uint32Array(image.data.buffer).set(style.colours);
      this.bar.getContext("2d").putImageData(image, 0, 0);
    }
    this.onChange(this);
  }

  /** What the map is to draw, in a frame. */
  shown(frame) {
    const { layer, date, offset } = this;
    const style = { ...this.style, offset };
    const key = [layer.key, style.low, style.high, offset].join(" ");
    return { frame, layer, date, style, key };
  }

  /** Value in words. */
  words(value) {
    const { layer, offset } = this;
    if (layer.classes) return layer.classes[value]?.[0] ?? "no data";
    if (!Number.isFinite(value)) return "no data";
    const unit = /\(([^)]+)\)/.exec(layer.label)?.[1] ?? "";
    const digits = layer.whole ? 0 : layer.classes ? 0 : digitsFor(this.style.low, this.style.high);
    return `${text((value - offset) * layer.scale, digits)} ${unit}`.trim();
  }
}
