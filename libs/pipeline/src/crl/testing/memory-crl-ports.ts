import type {
  CrlScope,
  CrlSigner,
  CrlStore,
  CrlToSign,
  Job,
  JobQueue,
  RevocationStore,
  RevokedCertificate,
  StoredCrl,
} from '@certmill/ports';
import type { CrlPorts } from '../build-crl.js';

interface Row extends RevokedCertificate {
  readonly change: number;
}

/** Rows of one scope and its CRLs in memory, as the ports promise them. */
export class MemoryCrlPorts implements CrlPorts {
  nowMs = Date.UTC(2026, 5, 1);
  readonly clock = { nowMs: () => this.nowMs };
  readonly scope: CrlScope;
  /** What slots were asked to sign. */
  readonly signed: CrlToSign[] = [];
  readonly added: Job[] = [];
  readonly #rows = new Map<string, Row>();
  readonly #crls = new Map<string, StoredCrl>();
  #changes = 0;
  #changedAtMs = 0;

  readonly revocations: CrlPorts['revocations'] & Pick<RevocationStore, 'listChangedScopes'> = {
    countChanges: () => Promise.resolve(this.#changes),
    listRevoked: (_, { limit, after, changedSince, without }) => {
      const { endedBeforeMs = 0, changes = 0 } = without ?? {};
      const rows = [...this.#rows.values()]
        .filter(({ serialNumber }) => after === undefined || compare(serialNumber, after) > 0)
        .filter(({ change, reason }) =>
          changedSince === undefined ? reason !== 'removeFromCRL' : change > changedSince,
        )
        .filter(({ change, notAfterMs }) => change > changes || notAfterMs >= endedBeforeMs)
        .sort((one, other) => compare(one.serialNumber, other.serialNumber));
      return Promise.resolve(rows.slice(0, limit));
    },
    listChangedScopes: (follower, { issuers, limit, after }) => {
      const kind = follower === 'delta' ? 'delta' : 'full';
      const followed = this.#crls.get(kind)?.changes ?? 0;
      const isListed = followed !== this.#changes && issuers.includes(this.scope.issuer);
      if (!isListed || limit === 0 || after !== undefined) return Promise.resolve([]);
      const changed = { changes: this.#changes, changedAtMs: this.#changedAtMs, followed };
      return Promise.resolve([{ ...this.scope, ...changed }]);
    },
  };

  readonly crls: CrlStore = {
    putCrl: (crl, replaces) => {
      const inForce = this.#crls.get(crl.kind)?.crlNumber;
      if (inForce !== replaces || (inForce ?? -1n) >= crl.crlNumber) return Promise.resolve(false);
      this.#crls.set(crl.kind, crl);
      return Promise.resolve(true);
    },
    getCrl: (_, kind) => Promise.resolve(this.#crls.get(kind)),
    describeCrl: (_, kind) => Promise.resolve(this.#crls.get(kind)),
  };

  readonly signer: CrlSigner = {
    signCrl: (crl) => {
      this.signed.push(crl);
      return Promise.resolve({ der: Uint8Array.of(this.signed.length), slot: 'slot' });
    },
  };

  constructor(scope: CrlScope = { issuer: 'devices', shard: 2 }) {
    this.scope = scope;
  }

  /** The same stores with another signer. */
  signedBy(signCrl: CrlSigner['signCrl']): CrlPorts {
    const { revocations, crls, clock } = this;
    return { revocations, crls, clock, signer: { signCrl } };
  }

  readonly jobs: JobQueue = {
    add: (_, job) => {
      this.added.push(job);
      return Promise.resolve();
    },
    process: () => Promise.reject(new Error('nothing is processed here')),
    count: () => Promise.resolve(this.added.length),
  };

  revoke(index: number, changes: Partial<RevokedCertificate> = {}): void {
    const serialNumber = new Uint8Array(20).fill(1);
    new DataView(serialNumber.buffer).setUint32(16, index);
    this.#changedAtMs = this.nowMs;
    this.#rows.set(String(index), {
      serialNumber,
      revokedAtMs: this.nowMs,
      reason: 'keyCompromise',
      notAfterMs: this.nowMs + 1e12,
      change: (this.#changes += 1),
      ...changes,
    });
  }

  /** All CRLs are lost, as where a store is restored to a time before them. */
  loseCrls(): void {
    this.#crls.clear();
  }
}

function compare(one: Uint8Array, other: Uint8Array): number {
  return Buffer.compare(one, other);
}
