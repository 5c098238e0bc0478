// Builds the page into the Python package: one script, one style sheet, and the licences of what is in them.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = dirname(fileURLToPath(import.meta.url));

/** Licence texts of the packages whose modules are in the bundle, in alphabetical order. */
function licences() {
  const folders = new Set();
  return {
    name: "licences",
    moduleParsed({ id }) {
      const found = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id.split("?")[0].replaceAll("\\", "/"));
      if (found) folders.add(found[1]);
    },
    generateBundle() {
      const parts = [...folders].map((folder) => {
        const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
        const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : "";
        return `${about.name} ${about.version} (${about.license})\n\n${text.replaceAll("\r", "")}\n`;
      });
      const source = ["The page contains these packages.\n", ...parts.sort()].join(`\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}

export default defineConfig({
  root: here,
  base: "./",
  plugins: [licences()],
  resolve: {
    // codecs as WebAssembly, which the arrays of the page do not use
    alias: ["blosc", "lz4", "zstd"].map((name) => ({ find: `numcodecs/${name}`, replacement: join(here, "src/no_codec.js") })),
  },
  build: {
    outDir: join(here, "../src/insarray/viewer/page"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    chunkSizeWarningLimit: 1500,
    rollupOptions: {
      output: {
        inlineDynamicImports: true,
        entryFileNames: "assets/viewer.js",
        assetFileNames: "assets/viewer[extname]",
      },
    },
  },
});
