// What all parts of the page know: what is shown, and how to tell the user.
import { Frame } from "./map.js";

export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#5a4fcf", "#56b4e9", "#b2182b"];

export const page = { charts: {}, slots: [], panes: [], picks: [], profile: null, area: null, measure: null, tool: "series", mode: "single", reference: null, problem: "" };

export const $ = (id) => document.getElementById(id);

export function say(message) {
  $("message").textContent = message;
  $("message").hidden = !message;
}

export function failed(error) {
  say(error instanceof Error ? error.message : String(error));
}

/** Run an answer to the user, whose errors are shown. */
export const safely = (work) => (...given) => Promise.resolve().then(() => work(...given)).catch(failed);

/** The maps that are seen. */
export const visible = () => (page.mode === "single" ? page.slots.slice(0, 1) : page.slots);

/** Results that are seen, each once. */
export const results = () => [...new Set(visible().map((slot) => slot.result))];

/** Where pixels of a result are on the map of the first one. */
export const frameOf = (result) => new Frame(result, page.slots[0].result);
