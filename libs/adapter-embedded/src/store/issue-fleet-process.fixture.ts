import { writeSync } from 'node:fs';
import { openEmbeddedStore } from './embedded-store.js';
import { issueFleet } from './issue-fleet.fixture.js';

/** A process of its own that can be killed: arguments are the folder and the disk module. */
const [directory = '', diskModule = ''] = process.argv.slice(2);
const store = await openEmbeddedStore({ directory, diskModule, clock: { nowMs: () => 1 } });
await issueFleet(store, (what, chunk, verdict) => {
  // Synchronous: what was acknowledged is on the pipe before the process can die.
  writeSync(1, `${what} ${String(chunk)} ${verdict}\n`);
});
await store.close();
