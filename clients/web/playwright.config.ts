// The page's tests in a real browser, against a real stack that is running already: nothing is mocked.
//
// `make test` starts one with the sample catalogue (tests/e2e/test_page.py) and says where it is:
//   LOOKALIKE_PAGE_URL  the page; else that of `make run`
//   LOOKALIKE_BROWSER   Chromium; else Debian's
//   LOOKALIKE_RUN_DIR   the stack's DATA_DIR: run/processes.json in it holds the process ids of the
//                       services, which the supervisor starts again when a test has killed one
//   LOOKALIKE_SAMPLES   the folder of the sample catalogue, with its photographs in images/
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  forbidOnly: true,
  // One stack, one worker: the tests share the catalogue, and some stop a service.
  workers: 1,
  retries: 0,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: "list",
  use: {
    baseURL: process.env.LOOKALIKE_PAGE_URL ?? "http://127.0.0.1:8080",
    browserName: "chromium",
    locale: "en-GB",
    trace: "off",
    video: "off",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.LOOKALIKE_BROWSER ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
