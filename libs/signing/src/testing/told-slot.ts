import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Signer } from '../slots/signing-slot.js';

/**
 * A slot module that does what a file of the test tells it, read before each signature: `throw`,
 * `exit`, `spin`, `hang` (for seconds, in native code), `garbage`; without the file it signs. It appends
 * each request and TBS hash to `<file>.signed`. The file is in the module URL's query, see
 * `toldSlotModule`, and so is how far the worker's clock is ahead.
 */
export function wrapSigner(signer: Signer, slotName: string): Signer {
  const { searchParams } = new URL(import.meta.url);
  const file = searchParams.get('file') ?? '';
  const clockAheadMs = Number(searchParams.get('clockAheadMs'));
  const trueNow = Date.now;
  Date.now = () => trueNow() + clockAheadMs;
  return {
    subjectPKInfoDer: signer.subjectPKInfoDer,
    sign(tbs, request) {
      const order = existsSync(file) ? readFileSync(file, 'utf8') : '';
      if (order === 'throw') throw new RangeError(`${slotName} was told to fail`);
      if (order === 'exit') process.exit(7);
      if (order === 'hang') spawnSync('sleep', ['5']);
      while (order === 'spin') Math.random();
      const signature = signer.sign(tbs, request);
      if (order === 'garbage') signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
      const line = `${request.batchId}/${String(request.index)} ${hash('sha256', tbs)} ${slotName}\n`;
      appendFileSync(`${file}.signed`, line);
      return signature;
    },
  };
}

/** The URL for `SigningSlot.slotModule`. */
export function toldSlotModule(file: string, clockAheadMs = 0): string {
  const url = new URL(import.meta.url);
  url.searchParams.set('file', file);
  url.searchParams.set('clockAheadMs', String(clockAheadMs));
  return url.href;
}
