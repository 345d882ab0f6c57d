// Reads `{"name": "you"}` and prints `{"hello":"you"}`.

import { getStdin } from "wasi:cli/stdin@0.2.10";

const CHUNK_BYTES = 65536n;

export const run = {
  run() {
    const { name } = JSON.parse(new TextDecoder().decode(input()));
    if (typeof name !== "string") {
      throw new Error("there is no name");
    }
    console.log(JSON.stringify({ hello: name }));
  },
};

/** All of standard input. */
function input() {
  const stream = getStdin();
  const bytes = [];
  for (;;) {
    try {
      bytes.push(...stream.blockingRead(CHUNK_BYTES));
    } catch (error) {
      if (error.payload?.tag === "closed") {
        return new Uint8Array(bytes);
      }
      throw error;
    }
  }
}
