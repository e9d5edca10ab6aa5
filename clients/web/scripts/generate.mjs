// Makes the gRPC-Web stubs in src/gen from ../../protos.
//
// buf reads one folder, and this repository keeps no copy of Google's files: the folder is put together
// here from our protos and the npm package google-proto-files, so neither Python nor a network is needed.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

const web = resolve(import.meta.dirname, "..");
const protos = process.env.LOOKALIKE_PROTOS ?? resolve(web, "../../protos");
const google = join(
  dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json")),
  "google",
);
const GOOGLE_FILES = [
  "api/annotations.proto",
  "api/http.proto",
  "api/httpbody.proto",
  "rpc/error_details.proto",
  "rpc/status.proto",
];

if (!existsSync(join(protos, "lookalike"))) {
  throw new Error(`No protos in ${protos}: set LOOKALIKE_PROTOS to the folder that holds lookalike/`);
}
const input = join(web, "node_modules/.protos");
rmSync(input, { recursive: true, force: true });
mkdirSync(join(input, "lookalike"), { recursive: true });
// What a browser may call, and the values those calls share.
for (const folder of ["gateway", "type"]) {
  cpSync(join(protos, "lookalike", folder), join(input, "lookalike", folder), { recursive: true });
}
for (const file of GOOGLE_FILES) {
  cpSync(join(google, file), join(input, "google", file), { recursive: true });
}
rmSync(join(web, "src/gen"), { recursive: true, force: true });
const buf = join(web, "node_modules/.bin/buf");
execFileSync(buf, ["generate", input, "--template", "buf.gen.yaml"], { cwd: web, stdio: "inherit" });
