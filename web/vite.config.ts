// Builds the pages into the Python package, and says there which sources they were built from.
import { createHash } from "node:crypto";
import { cpSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const here = import.meta.dirname;
const SOURCES = ["admin.html", "index.html", "package-lock.json", "public", "reference.html", "src", "tsconfig.json", "vite.config.ts"];

/** SHA-256 over the names and bytes of all sources, in order of name; tests/browser computes the same. */
function fingerprint(): string {
  const files = (path: string): string[] =>
    statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => files(join(path, name))) : [path];
  const hash = createHash("sha256");
  const names = SOURCES.flatMap((name) => files(join(here, name))).map((path) => relative(here, path));
  for (const name of names.sort()) hash.update(name).update("\0").update(readFileSync(join(here, name))).update("\0");
  return hash.digest("hex");
}

function stamp(): Plugin {
  let out = "";
  return {
    name: "stamp",
    apply: "build",
    configResolved: (config) => void (out = config.build.outDir),
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const font = Object.keys(bundle ?? {}).find((name) => name.endsWith(".woff2"));
        const preload = `<link rel="preload" as="font" type="font/woff2" crossorigin href="/${font}" />`;
        // Nothing is painted before the script has put the theme on the page.
        return html.replace("<script type=\"module\"", `${preload}\n    <script type="module" blocking="render"`);
      },
    },
    closeBundle() {
      const folder = resolve(here, out);
      writeFileSync(join(folder, "sources.sha256"), `${fingerprint()}\n`);
      cpSync(join(here, "node_modules/@fontsource-variable/archivo/LICENSE"), join(folder, "archivo-license.txt"));
    },
  };
}

export default defineConfig({
  build: {
    outDir: "../serving/page/static",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: { input: { shop: join(here, "index.html"), admin: join(here, "admin.html"), reference: join(here, "reference.html") } },
  },
  plugins: [stamp()],
  server: {
    port: 8690,
    proxy: Object.fromEntries(
      ["/v1", "/health", "/metrics", "/openapi.json"].map((path) => [path, process.env["TOWERBRIDGE_URL"] ?? "http://127.0.0.1:8000"]),
    ),
  },
});
