import { createHash, randomUUID } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { CrlScope, CrlStore, StoredCrl } from '@certmill/ports';
import type { ScopeSeals } from '../revocations/scope-seals.js';
import { idsUnder, type Documents, type Stored } from '../connection/documents.js';

/** The CRL in force. `_id`: `<issuer>/<shard>/<kind>`. Its octets are in pieces under `blob`. */
export interface CrlDocument extends Stored {
  /** Decimal, of one length, so that names of blobs are in the order of their numbers. */
  readonly crlNumber: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly entries: number;
  readonly changes: number;
  readonly hasDeltas?: boolean;
  readonly blob: string;
  readonly bytes: number;
  readonly sha256: Uint8Array;
  /** As of `ScopeSeals.sealCrl`; empty where the store is opened without keys. */
  readonly seal: string;
}

/** A piece of a CRL. `_id`: `<issuer>/<shard>/<kind>/<blob>/<piece>`. */
export interface CrlPiece extends Stored {
  readonly bytes: Uint8Array;
}

export interface CrlParts {
  readonly crls: Documents<CrlDocument>;
  readonly pieces: Documents<CrlPiece>;
  /** Absent: what a CRL is said to have is believed. */
  readonly seals?: ScopeSeals | undefined;
  /** A CRL is in force. */
  readonly onPut: (crl: Omit<StoredCrl, 'der'>) => Promise<void>;
}

/** Half of what a document may hold. */
const pieceBytes = 8 * 1024 * 1024;
/** 20 octets (RFC 5280 5.2.3) in decimal. */
const numberDigits = 49;
/** A reader that others overtake this often is told to come again. */
const maxTries = 16;

/**
 * CRLs in pieces, put in force by a compare-and-set of one document once all pieces are there. A writer
 * that dies leaves pieces of a number below the next one, which the next writer takes away; a reader
 * whose pieces go begins again with the CRL that took their place.
 */
export class Crls implements CrlStore {
  readonly #parts: CrlParts;

  constructor(parts: CrlParts) {
    this.#parts = parts;
  }

  async putCrl(crl: StoredCrl, replaces: bigint | undefined): Promise<boolean> {
    const { scope, kind, der } = crl;
    const _id = crlKey(scope, kind);
    const before = await this.#parts.crls.get(_id);
    if (numberOf(before) !== replaces || (replaces ?? -1n) >= crl.crlNumber) return false;
    const blob = `${paddedOf(crl.crlNumber)}-${randomUUID()}`;
    for (let at = 0, piece = 0; at < der.length; at += pieceBytes, piece += 1) {
      const bytes = der.subarray(at, at + pieceBytes);
      await this.#parts.pieces.insert({ _id: pieceKey(_id, blob, piece), bytes });
    }
    const isStored = await this.#switch(
      { ...documentOf(_id, crl, blob), seal: this.#parts.seals?.sealCrl(crl) ?? '' },
      before,
    );
    if (!isStored) {
      await this.#parts.pieces.removeAll(idsUnder(`${_id}/${blob}/`));
      return false;
    }
    await this.#parts.onPut(crl);
    // Of what is older: what another writer is putting is newer, or will not be in force.
    await this.#parts.pieces.removeAll({
      _id: { $gte: `${_id}/`, $lt: `${_id}/${paddedOf(crl.crlNumber)}` },
    });
    return true;
  }

  async getCrl(scope: CrlScope, kind: StoredCrl['kind']): Promise<StoredCrl | undefined> {
    for (let tries = 0; tries < maxTries; tries += 1) {
      const document = await this.#parts.crls.get(crlKey(scope, kind));
      if (document === undefined) return undefined;
      const der = await this.#read(document);
      if (der !== undefined) return { ...describedBy(document, scope, kind), der };
    }
    throw new CertmillError('FAULT_OVERLOADED', 'a CRL is replaced faster than it can be read');
  }

  async describeCrl(scope: CrlScope, kind: StoredCrl['kind']) {
    const document = await this.#parts.crls.get(crlKey(scope, kind));
    if (document === undefined) return undefined;
    const described = describedBy(document, scope, kind);
    // One that says more than it was made of would have a delta leave that out: it is made anew.
    const isSound = this.#parts.seals?.isCrlSound(document.seal, described) ?? true;
    return isSound ? described : { ...described, changes: 0 };
  }

  /** False where another one has taken the place of `before`. */
  async #switch(document: CrlDocument, before: CrlDocument | undefined): Promise<boolean> {
    const { _id, ...fields } = document;
    const isStored =
      before === undefined
        ? (await this.#parts.crls.insert(document)) === 'inserted'
        : await this.#parts.crls.update({ _id, blob: before.blob }, { $set: fields });
    // A repeated call may find its own.
    return isStored || (await this.#parts.crls.get(_id))?.blob === document.blob;
  }

  /** Undefined where a piece has gone: the CRL was replaced. */
  async #read({ _id, blob, bytes, sha256 }: CrlDocument): Promise<Uint8Array | undefined> {
    const der = new Uint8Array(bytes);
    const hash = createHash('sha256');
    for (let at = 0, piece = 0; at < bytes; piece += 1) {
      const found = await this.#parts.pieces.get(pieceKey(_id, blob, piece));
      if (found === undefined) return undefined;
      if (at + found.bytes.length > bytes) break;
      der.set(found.bytes, at);
      hash.update(found.bytes);
      at += found.bytes.length;
    }
    if (Buffer.compare(hash.digest(), sha256) !== 0) {
      // One CRL's fault, that the next one mends: nothing of the store halts for it.
      throw new CertmillError('FAULT_PROCESSING', `the CRL ${_id} is damaged`);
    }
    return der;
  }
}

function numberOf(crl: CrlDocument | undefined): bigint | undefined {
  return crl && BigInt(crl.crlNumber);
}

/** `_id` of the CRL in force. */
export function crlKey({ issuer, shard }: CrlScope, kind: StoredCrl['kind']): string {
  return `${issuer}/${String(shard)}/${kind}`;
}

function pieceKey(_id: string, blob: string, piece: number): string {
  return `${_id}/${blob}/${String(piece).padStart(5, '0')}`;
}

function paddedOf(crlNumber: bigint): string {
  return String(crlNumber).padStart(numberDigits, '0');
}

function documentOf(_id: string, crl: StoredCrl, blob: string): Omit<CrlDocument, 'seal'> {
  const { thisUpdateMs, nextUpdateMs, entries, changes, hasDeltas, der } = crl;
  return {
    _id,
    crlNumber: paddedOf(crl.crlNumber),
    thisUpdateMs,
    nextUpdateMs,
    entries,
    changes,
    hasDeltas,
    blob,
    bytes: der.length,
    sha256: createHash('sha256').update(der).digest(),
  };
}

function describedBy(
  { crlNumber, thisUpdateMs, nextUpdateMs, entries, changes, hasDeltas = false }: CrlDocument,
  scope: CrlScope,
  kind: StoredCrl['kind'],
): Omit<StoredCrl, 'der'> {
  return {
    scope: { issuer: scope.issuer, shard: scope.shard },
    kind,
    crlNumber: BigInt(crlNumber),
    thisUpdateMs,
    nextUpdateMs,
    entries,
    changes,
    hasDeltas,
  };
}
