import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Signer } from '../slots/signing-slot.js';

/** A slot module that notes each opening of the key, by any thread, in the file of its URL's query. */
export function wrapSigner(signer: Signer, slotName: string): Signer {
  appendFileSync(new URL(import.meta.url).searchParams.get('file') ?? '', `${slotName}\n`);
  return signer;
}

/** The URL for `SigningSlot.slotModule`. */
export function countedOpeningsModule(file: string): string {
  const url = new URL(import.meta.url);
  url.searchParams.set('file', file);
  return url.href;
}

export function countOpenings(file: string): number {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').length : 0;
}
