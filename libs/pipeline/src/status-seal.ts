import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { HopKeys } from './hop-seal.js';

/**
 * Seals on what is stored of status changes (ADR 0035): who can write the store has no key, so what it
 * holds is what a stage recorded. A seal is `<key id>.<HMAC-SHA256, hex>`.
 */
export interface StatusSeals {
  /**
   * @param after The seal that it follows, empty for none: a chain never goes back to an older key.
   * Faults: FAULT_STATUS_FORGED where that is of no key that is known here.
   */
  seal(fields: readonly (string | Uint8Array)[], after: string): string;
  isSound(seal: string, fields: readonly (string | Uint8Array)[], after: string): boolean;
}

/** Bound into every seal: another framing gets another name. */
const framing = 'certmill-status-1';
const sealPattern = /^([a-z0-9-]{1,64})\.([0-9a-f]{64})$/;

/**
 * Seals under keys of their own, HKDF-SHA256 of those given. The keys are in order of their age, the
 * newest last; those that seal no more are kept, for what they sealed stays.
 */
export function statusSealsOf({ sealing, opening }: HopKeys): StatusSeals {
  const ids = [...opening.keys()];
  const keys = new Map([...opening].map(([id, secret]) => [id, keyOf(secret)]));
  const ageOf = (seal: string): number => (seal === '' ? 0 : ids.indexOf(keyIdOf(seal)));
  const macWith = (id: string, fields: readonly (string | Uint8Array)[], after: string): Buffer =>
    createHmac('sha256', keys.get(id) ?? '')
      .update(framed([framing, after, ...fields]))
      .digest();
  return {
    seal(fields, after) {
      if (ageOf(after) < 0) throw forgedStatus('a seal is of a key that is not known here');
      // During a rotation others may seal with the newer key already.
      const id = ids[Math.max(ids.indexOf(sealing.id), ageOf(after))] ?? sealing.id;
      return `${id}.${macWith(id, fields, after).toString('hex')}`;
    },
    isSound(seal, fields, after) {
      const [, id = '', hex = ''] = sealPattern.exec(seal) ?? [];
      if (!keys.has(id) || ageOf(seal) < ageOf(after)) return false;
      return timingSafeEqual(Buffer.from(hex, 'hex'), macWith(id, fields, after));
    },
  };
}

/** The keys of a data folder, of its secret: it has one, and keeps it. */
export function statusKeysOf(secret: Uint8Array): HopKeys {
  return { sealing: { id: 'folder', secret }, opening: new Map([['folder', secret]]) };
}

/** The fault of a log that the stages cannot have written. */
export function forgedStatus(why: string): CertmillError {
  return new CertmillError('FAULT_STATUS_FORGED', `the log of status changes was refused: ${why}`);
}

function keyIdOf(seal: string): string {
  return seal.slice(0, seal.indexOf('.'));
}

function keyOf(secret: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', 'certmill status log v1', 32));
}

/** Each field behind its length in 4 octets: no two lists of fields have the same framing. */
export function framed(fields: readonly (string | Uint8Array)[]): Uint8Array {
  const parts = fields.map((field) => Buffer.from(field as Uint8Array));
  const whole = Buffer.alloc(parts.reduce((sum, { length }) => sum + 4 + length, 0));
  let at = 0;
  for (const part of parts) {
    at = whole.writeUInt32BE(part.length, at);
    at += part.copy(whole, at);
  }
  return whole;
}
