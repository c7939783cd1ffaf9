#!/usr/bin/env -S node --max-semi-space-size=4 --heap-growing-percent=150 --v8-pool-size=1
import module from 'node:module';
import { fileURLToPath } from 'node:url';

// What a server allocates per chunk dies at once: a small young generation costs no CPU and saves some
// 100 MB. The whole heap is collected when it has grown to two and a half times what was left; one
// thread for background collection, for the workers have the cores (docs/performance.md).
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `error CONFIG_INVALID: certmill needs Node 24 or newer, this is ${process.version}; run it by 'npx certmill', which brings its own\n`,
  );
  process.exit(1);
}
// Beside the modules it is made of, so who can write it could as well change them. Threads and children
// find it in the environment; where it cannot be written there is none.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('../../../node_modules/.cache/certmill', import.meta.url),
);
module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
await import('../dist/main.js');
