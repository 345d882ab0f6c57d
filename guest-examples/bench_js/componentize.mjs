// Makes a component of hello.js: `node componentize.mjs hello.wasm`.

import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const { component } = await componentize({
  sourcePath: "hello.js",
  witPath: "hello.wit",
  worldName: "hello",
  // What a command needs not, and what not every host has.
  disableFeatures: ["http", "fetch-event"],
});
await writeFile(process.argv[2], component);
