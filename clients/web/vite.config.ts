import { defineConfig } from "vitest/config";

// Where `npm run dev` finds the API: the edge of a running stack.
const edge = process.env.LOOKALIKE_EDGE_URL ?? "http://127.0.0.1:8080";
// The edge refuses other sites' pages, so the development server speaks with the edge's own origin.
const toEdge = { target: edge, changeOrigin: true, headers: { origin: edge } };

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // The edge's Content-Security-Policy knows files, not inline data.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/lookalike.gateway.v1.": toEdge, "/images": toEdge },
  },
  preview: { host: "127.0.0.1" },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
