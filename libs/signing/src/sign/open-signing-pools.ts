import { availableParallelism } from 'node:os';
import {
  CertmillError,
  type Lane,
  type SerialKey,
  type StatusAddresses,
  type TenantId,
} from '@certmill/domain';
import { decodeReceivedHead, lanes as allLanes } from '@certmill/events';
import type {
  ChunkSigner,
  CpuMeter,
  CrlSigner,
  SignedCertificates,
  SignedCrl,
  Stoppable,
} from '@certmill/ports';
import type { SigningHash } from '../slots/signature-scheme.js';
import type { SigningSlot } from '../slots/signing-slot.js';
import { chunkTask } from './chunk-task.js';
import { crlTask } from './crl-task.js';
import { SlotPool, type SlotHealth } from './slot-pool.js';
import { SlotRouter } from './slot-router.js';

export interface SigningIssuer {
  readonly name: string;
  /** Certificates in DER, the issuer's own first. */
  readonly chainDer: readonly Uint8Array[];
  /** Tenants that it signs for; every tenant where absent. */
  readonly tenants?: readonly TenantId[];
  /** Where the status of its certificates is told (ADR 0020); absent: nowhere. */
  readonly status?: StatusAddresses;
  /** Each holds the issuer's key. */
  readonly slots: readonly SigningSlot[];
  /** Hash of RSA signatures (ECDSA's follows the curve); SHA-256 where absent. */
  readonly rsaHash?: SigningHash;
}

export interface SigningPoolsOptions {
  readonly issuers: readonly SigningIssuer[];
  /**
   * Sign's own configuration (DESIGN 3.6): the canonical text of the profile where this issuer may
   * sign for it, else undefined. Asked for every chunk, so it MUST be fast.
   */
  readonly profiles: (
    issuer: string,
    profileHash: string,
  ) => string | undefined | Promise<string | undefined>;
  readonly serialKeys: readonly SerialKey[];
  /** Lanes that the process works for: no slot has sessions for another one. Both where absent. */
  readonly lanes?: readonly Lane[];
  /** Bulk workers of each slot; the CPUs shared among an issuer's slots where absent. */
  readonly threadsPerSlot?: number;
  /** Workers of each slot that no bulk chunk ever gets; 1 where absent. */
  readonly interactiveThreadsPerSlot?: number;
  /** Chunks that may wait per slot and lane; 64 where absent. */
  readonly maxQueue?: number;
  /** A slot that has a chunk for longer has failed; 60,000 where absent. */
  readonly chunkTimeoutMs?: number;
  /** A slot that takes longer to open its key is out, and the others serve; 10,000 where absent. */
  readonly openTimeoutMs?: number;
  /** Pause of a failed slot before it is tried again, doubled up to a minute; 1,000 where absent. */
  readonly restMs?: number;
  /** Told of every change of a slot's state, for logs and metrics. */
  readonly onSlotChange?: (health: SlotHealth) => void;
  /**
   * A thread of this slot hangs in a signature that cannot be cancelled. The chunk is signed by another
   * slot; the owner SHOULD let what is in hand end, and then `endProcess` to be started anew. Not called
   * for a slot that hangs while it is opened: a restart would not help it, and the others serve.
   */
  readonly onHung?: (health: SlotHealth) => void;
}

export interface SigningPools extends ChunkSigner, CrlSigner, Stoppable, CpuMeter {
  /** Every slot, as it is now. */
  health(): readonly SlotHealth[];
}

const workerFile = new URL('./sign.worker.js', import.meta.url);
const maxRestMs = 60_000;

/**
 * Opens the slots of all issuers. A slot that cannot be reached is tried again later; a wrong key or
 * configuration is told at once. Faults: FAULT_KEY_MISMATCH, CONFIG_INVALID.
 */
export async function openSigningPools(options: SigningPoolsOptions): Promise<SigningPools> {
  const slotsByIssuer = new Map<string, readonly SlotPool[]>();
  for (const issuer of options.issuers) {
    assertWired(issuer, slotsByIssuer);
    slotsByIssuer.set(
      issuer.name,
      issuer.slots.map((slot) => slotPool(options, issuer, slot)),
    );
  }
  const router = new SlotRouter(options.lanes ?? allLanes, slotsByIssuer);
  const faults = await router.open();
  const fatal = faults.find(({ disposition }) => disposition !== 'retry');
  if (fatal !== undefined) {
    await router.stop(0);
    throw fatal;
  }
  return signingPools(router, options);
}

function signingPools(
  router: SlotRouter,
  { profiles, lanes = allLanes }: Pick<SigningPoolsOptions, 'profiles' | 'lanes'>,
): SigningPools {
  const crlLane = lanes.includes('bulk') ? 'bulk' : 'interactive';
  return {
    health: () => router.health(),
    cpuMicroseconds: () => router.cpuMicroseconds(),
    stop: (timeoutMs) => router.stop(timeoutMs),
    async sign(received, verdict, lane): Promise<SignedCertificates> {
      const { issuer, profileHash, count } = decodeReceivedHead(received);
      const profile = await profiles(issuer, profileHash);
      if (profile === undefined) {
        throw new CertmillError(
          'FAULT_PROCESSING',
          `sign is not configured for profile ${profileHash} of issuer ${issuer}`,
        );
      }
      const task = chunkTask(lane, count, received, verdict, profile);
      const { result, slot } = await router.run(issuer, task);
      const { certificatesDer, certificateLengths } = result;
      return { certificatesDer, certificateLengths: Array.from(certificateLengths), slot };
    },
    async signCrl(crl): Promise<SignedCrl> {
      const { result, slot } = await router.run(crl.scope.issuer, crlTask(crlLane, crl));
      return { der: result.der, slot };
    },
  };
}

function assertWired(issuer: SigningIssuer, others: ReadonlyMap<string, unknown>): void {
  const names = new Set(issuer.slots.map(({ name }) => name));
  const reason = others.has(issuer.name)
    ? 'is configured twice'
    : issuer.slots.length === 0
      ? 'has no slot'
      : names.size < issuer.slots.length
        ? 'has two slots of one name'
        : undefined;
  if (reason !== undefined) {
    throw new CertmillError('CONFIG_INVALID', `issuer ${issuer.name} ${reason}`);
  }
}

function slotPool(
  options: SigningPoolsOptions,
  issuer: SigningIssuer,
  slot: SigningSlot,
): SlotPool {
  const { lanes = allLanes } = options;
  const [certificateDer] = issuer.chainDer;
  if (certificateDer === undefined) {
    throw new CertmillError('CONFIG_INVALID', `issuer ${issuer.name} has no certificate`);
  }
  return new SlotPool({
    workerFile,
    data: {
      issuerName: issuer.name,
      ...(issuer.tenants === undefined ? {} : { tenants: [...issuer.tenants] }),
      // Copies: a clone of a view takes the whole buffer behind it along.
      issuerCertificateDer: new Uint8Array(certificateDer),
      ...(issuer.status === undefined ? {} : { status: issuer.status }),
      rsaHash: issuer.rsaHash ?? 'sha256',
      serialKeys: options.serialKeys.map(({ id, key }) => ({ id, key: new Uint8Array(key) })),
      slot,
    },
    threads: {
      ...(lanes.includes('bulk')
        ? { bulk: options.threadsPerSlot ?? shareOfCpus(issuer.slots.length) }
        : {}),
      ...(lanes.includes('interactive')
        ? { interactive: options.interactiveThreadsPerSlot ?? 1 }
        : {}),
    },
    maxQueue: options.maxQueue ?? 64,
    chunkTimeoutMs: options.chunkTimeoutMs ?? 60_000,
    openTimeoutMs: options.openTimeoutMs ?? 10_000,
    restMs: options.restMs ?? 1_000,
    maxRestMs,
    onChange: options.onSlotChange ?? (() => undefined),
    onHung: options.onHung ?? (() => undefined),
  });
}

function shareOfCpus(slots: number): number {
  return Math.max(1, Math.ceil(availableParallelism() / slots));
}
