import { RevokedEntries } from '@certmill/der';
import type { Lane } from '@certmill/domain';
import type { CrlToSign } from '@certmill/ports';
import type { KeyTask } from './key-task.js';

/** Entries that are written and hashed within the time-out of a chunk, on a slow machine too. */
const entriesPerTimeout = 1_000_000;

/** Main side: the task of a CRL. */
export function crlTask(lane: Lane, crl: CrlToSign): KeyTask<'signCrl'> {
  const { issuer, shard } = crl.scope;
  const entryCount = crl.entries.length / RevokedEntries.octetsPerEntry;
  return {
    kind: 'signCrl',
    lane,
    timeouts: 1 + Math.floor(entryCount / entriesPerTimeout),
    pack() {
      const entries = new Uint8Array(crl.entries);
      return { input: { ...crl, entries }, transferList: [entries.buffer] };
    },
    identity: Buffer.from(`${issuer}/${String(shard)}/${String(crl.crlNumber)}`),
  };
}
