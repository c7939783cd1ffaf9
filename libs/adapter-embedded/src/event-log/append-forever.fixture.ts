import { openEventLog } from './open-event-log.js';

// Appends from several writers until it is killed, and prints the id of each acknowledged record.
const [directory = '', topic = '', run = ''] = process.argv.slice(2);
const log = await openEventLog({
  directory,
  durableTopics: [topic],
  relayTopics: [],
  maxBacklogBytes: Infinity,
  segmentBytes: 100_000,
});
let next = 0;

async function write(): Promise<never> {
  for (;;) {
    const id = `${run}-${String(next++)}`;
    const value = Buffer.alloc(1_000, id);
    await log.append(topic, { headers: { ce_id: id }, key: id, value });
    process.stdout.write(`${id}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, write));
