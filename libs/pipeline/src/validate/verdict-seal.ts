import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import {
  decodeReceivedChunk,
  decodeVerdict,
  MessageReader,
  MessageWriter,
  type ReceivedHead,
} from '@certmill/events';
import type { HopKeys } from '../hop-seal.js';
import { digestOf } from '../ingest/pack-chunks.js';

/** What of a chunk the seal binds, beside its requests. */
export type JudgedChunk = Pick<
  ReceivedHead,
  'tenant' | 'orderId' | 'batchId' | 'chunkNumber' | 'profileHash'
>;

/**
 * The seal on a stored verdict: validate trusts the database with its verdicts, not with making them.
 * Without it whoever can write there could have a request accepted that validate never saw (DESIGN 3.6).
 */
export interface VerdictSeals {
  /** The encoded draft with its seal. What the store appends to it may only reject more. */
  seal(received: JudgedChunk, value: Uint8Array, draft: Uint8Array): Uint8Array;
  /**
   * Refuses a stored verdict that accepts a request and was not sealed for this chunk:
   * FAULT_VERDICT_FORGED. One that rejects all needs no seal: nothing is ever signed for it.
   */
  check(received: JudgedChunk, value: Uint8Array, verdict: Uint8Array): void;
}

const fieldOverrides = 11;
const fieldSeal = 12;
const sealBytes = 32;
/** Tag and length of the field, one octet each. */
const fieldBytes = 2 + sealBytes;
/** Bound into every seal: another framing gets another name. */
const framing = 'certmill-verdict-1';

/**
 * Seals under keys of validate's own, HKDF-SHA256 of those of its outgoing hop: they live as long, for
 * a verdict is asked for while its chunk is in flight, and both keys of a rotation are good for it.
 */
export function verdictSealsOf({ sealing, opening }: HopKeys): VerdictSeals {
  const sealingKey = keyOf(sealing.secret);
  const openingKeys = [...opening.values()].map(keyOf);
  // A chunk is sealed and checked in one go.
  const known = new WeakMap<Uint8Array, Uint8Array>();
  const requestsOf = (value: Uint8Array): Uint8Array => {
    const requests = known.get(value) ?? requestsDigest(value);
    known.set(value, requests);
    return requests;
  };
  return {
    seal(received, value, draft) {
      const mac = macOf(sealingKey, received, requestsOf(value), draft);
      const field = new MessageWriter().bytes(fieldSeal, mac).finish();
      const sealed = new Uint8Array(draft.length + field.length);
      sealed.set(draft);
      sealed.set(field, draft.length);
      return sealed;
    },
    check(received, value, verdict) {
      if (!decodeVerdict(verdict).codes.includes(0)) return;
      const { draft, seal } = splitSealed(verdict);
      const requests = requestsOf(value);
      const isSound = openingKeys.some((key) =>
        timingSafeEqual(macOf(key, received, requests, draft), seal),
      );
      if (!isSound) throw forgedVerdict('its seal does not match');
    },
  };
}

function keyOf(secret: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', 'certmill verdict v1', 32));
}

/**
 * What makes the requests, as the chunk is registered with: the log may hold a chunk twice, the second
 * time with other line numbers in its sources, after an upload was broken off and resumed.
 */
function requestsDigest(value: Uint8Array): Uint8Array {
  return digestOf(decodeReceivedChunk(value));
}

/** Each field before the draft is preceded by its length: no two verdicts have the same framing. */
function macOf(
  key: Uint8Array,
  { tenant, orderId, batchId, chunkNumber, profileHash }: JudgedChunk,
  requests: Uint8Array,
  draft: Uint8Array,
): Buffer {
  const names = [framing, tenant, orderId, batchId, String(chunkNumber), profileHash];
  const fields = [...names.map((name) => Buffer.from(name, 'utf8')), requests];
  const mac = createHmac('sha256', key);
  const length = Buffer.alloc(4);
  for (const field of fields) {
    length.writeUInt32BE(field.length);
    mac.update(length).update(field);
  }
  return mac.update(draft).digest();
}

/** The draft that was sealed; behind the seal there may be overrides, which can only reject. */
function splitSealed(verdict: Uint8Array): {
  readonly draft: Uint8Array;
  readonly seal: Uint8Array;
} {
  const reader = new MessageReader(verdict, 'Verdict');
  let found: { readonly draft: Uint8Array; readonly seal: Uint8Array } | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (found === undefined && field === fieldSeal) {
      const seal = reader.bytes();
      const end = seal.byteOffset + seal.length - verdict.byteOffset;
      if (seal.length !== sealBytes) break;
      found = { draft: verdict.subarray(0, end - fieldBytes), seal };
    } else {
      if (found !== undefined && field !== fieldOverrides) {
        throw forgedVerdict('it goes on behind its seal');
      }
      reader.skip();
    }
  }
  if (found === undefined) throw forgedVerdict('it has no seal');
  return found;
}

function forgedVerdict(why: string): CertmillError {
  return new CertmillError('FAULT_VERDICT_FORGED', `the stored verdict was refused: ${why}`);
}
