// What is shown as files: PNG, CSV, GeoJSON.

export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A cell of a table; text that a spreadsheet would compute is marked as text. */
function cell(value) {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const words = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
}

export function csv(rows) {
  return new Blob([rows.map((row) => `${row.map(cell).join(",")}\n`).join("")], { type: "text/csv" });
}

export function geojson(features) {
  const clean = (key, value) => (typeof value === "number" && !Number.isFinite(value) ? null : value);
  return new Blob([JSON.stringify({ type: "FeatureCollection", features }, clean, 1)], { type: "application/geo+json" });
}

/** Picture of maps beside each other, each with title and colour bar: [{canvases, title, colours, ticks, unit}]. */
export function picture(panes, { paper, ink }) {
  const sizes = panes.map(({ canvases }) => [canvases[0].width, canvases[0].height]);
  const ratio = devicePixelRatio;
  const [head, foot] = [30 * ratio, 60 * ratio];
  const canvas = document.createElement("canvas");
  canvas.width = sizes.reduce((sum, size) => sum + size[0], 0);
  canvas.height = Math.max(...sizes.map((size) => size[1])) + head + foot;
  const context = canvas.getContext("2d");
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = `${13 * ratio}px system-ui, sans-serif`;
  let left = 0;
  panes.forEach(({ canvases, title, bars }, k) => {
    const [width, height] = sizes[k];
    context.fillStyle = ink;
    context.fillText(title, left + 8 * ratio, 20 * ratio, width - 16 * ratio);
    for (const part of canvases) {
      context.globalAlpha = Number(part.parentElement.style.opacity || 1);
      context.drawImage(part, left, head, width, height);
    }
    context.globalAlpha = 1;
    bars.forEach((bar, b) => {
      const wide = width / bars.length;
      const start = left + b * wide + 0.1 * wide;
      context.drawImage(bar.canvas, start, head + height + 10 * ratio, 0.8 * wide, 12 * ratio);
      context.textAlign = "center";
      bar.ticks.forEach((tick, t) => context.fillText(tick, start + (0.8 * wide * t) / Math.max(bar.ticks.length - 1, 1), head + height + 38 * ratio));
      context.fillText(bar.unit, start + 0.4 * wide, head + height + 54 * ratio, 0.9 * wide);
      context.textAlign = "left";
    });
    left += width;
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
