// Serves one bucket of Miniflare's R2 by its S3 API. Reads what to serve, as JSON, from standard input.
//
// Miniflare has this API under a path of its own, which is part of what clients sign. A service has
// it at the root, so its own code for the API is run here with an empty path, as a worker.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const PATH = '"/cdn-cgi/local/r2/s3"';
const { packages, bucket, accessKeyId, secretAccessKey, port, folder } = JSON.parse(
  readFileSync(0, "utf8"),
);
const require = createRequire(join(packages, "package.json"));
const { Miniflare } = require("miniflare");
const api = join(dirname(require.resolve("miniflare")), "workers", "r2", "s3", "index.worker.js");
const code = readFileSync(api, "utf8");
if (!code.includes(PATH)) throw new Error(`${api} does not have the path ${PATH}`);

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port,
  modules: [{ type: "ESModule", path: "s3.mjs", contents: code.replaceAll(PATH, '""') }],
  compatibilityDate: "2026-07-01",
  compatibilityFlags: ["nodejs_compat"],
  bindings: { MINIFLARE_R2_S3_CREDENTIALS: { [bucket]: { accessKeyId, secretAccessKey } } },
  r2Buckets: { [`MINIFLARE_R2_S3_BUCKET_${bucket}`]: bucket },
  r2Persist: folder,
});
await miniflare.ready;
console.log("ready");
