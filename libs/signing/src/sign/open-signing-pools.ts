import { availableParallelism } from 'node:os';
import { CertmillError, type Lane, type SerialKey } from '@certmill/domain';
import { decodeReceivedHead, lanes as allLanes } from '@certmill/events';
import type {
  ChunkSigner,
  CpuMeter,
  CrlSigner,
  ResponderCertifier,
  SignedCertificates,
  SignedCrl,
  Stoppable,
} from '@certmill/ports';
import type { SlotPlace } from '../slots/signing-slot.js';
import { chunkTask } from './chunk-task.js';
import { crlTask } from './crl-task.js';
import type { IssuerSlotHealth, RestTimes } from './issuer-slot.js';
import { responderTask } from './responder-task.js';
import type { SigningIssuer } from './signing-issuer.js';
import { SlotPool, type SlotHealth } from './slot-pool.js';
import { SlotRouter, type SlotRouterOptions } from './slot-router.js';

export interface SigningPoolsOptions {
  /**
   * Their places are opened at the start, and the keys of the first of them; the others' when they are
   * first needed.
   */
  readonly issuers: readonly SigningIssuer[];
  /**
   * An issuer as it is configured now, so that one can be added, changed or taken away while the pools are
   * open: another object is another configuration. Asked for every task, so it MUST be fast. Those of
   * `issuers` where absent.
   */
  readonly findIssuer?: SlotRouterOptions['findIssuer'];
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
  /** Bulk workers of each place; the CPUs shared among the places of `issuers` where absent. */
  readonly threadsPerSlot?: number;
  /** Workers of each place that no bulk chunk ever gets; 1 where absent. */
  readonly interactiveThreadsPerSlot?: number;
  /** Tasks that may wait per place and lane; 64 where absent. */
  readonly maxQueue?: number;
  /** A place that has a chunk for longer has failed; 60,000 where absent. */
  readonly chunkTimeoutMs?: number;
  /**
   * A place outside of the process that takes longer to open a key is out, and the others serve; 10,000 where
   * absent. Keys in files have a minute.
   */
  readonly openTimeoutMs?: number;
  /** Pause of a failed place, or key, before it is tried again, doubled up to a minute; 1,000 where absent. */
  readonly restMs?: number;
  /** Told of every change of a place's state, for logs and metrics. */
  readonly onSlotChange?: (health: SlotHealth) => void;
  /** Told where an issuer's key fails by its own fault, and where it can be used again. */
  readonly onKeyChange?: (health: IssuerSlotHealth) => void;
  /**
   * A thread of this place hangs in a signature that cannot be cancelled. The chunk is signed in another
   * place; the owner SHOULD let what is in hand end, and then `endProcess` to be started anew. Not called
   * for a place that hangs while it is opened: a restart would not help it, and the others serve.
   */
  readonly onHung?: (health: SlotHealth) => void;
}

export interface SigningPools
  extends ChunkSigner, CrlSigner, ResponderCertifier, Stoppable, CpuMeter {
  /** Every place, as it is now. */
  health(): readonly SlotHealth[];
  /** Names of issuers that were used and of which no key can be used now; the first 100. */
  issuersOut(): readonly string[];
}

const workerFile = new URL('./sign.worker.js', import.meta.url);
const maxRestMs = 60_000;
/** Bulk threads give way to everything else, while they begin too: on a full machine that takes its time. */
const ownOpenTimeoutMs = 60_000;

/**
 * Opens the places of all issuers. One that cannot be reached is tried again later; a wrong key or
 * configuration of the first issuers is told at once, of the others when they are first used. Faults:
 * FAULT_KEY_MISMATCH, CONFIG_INVALID.
 */
export async function openSigningPools(options: SigningPoolsOptions): Promise<SigningPools> {
  const { issuers, lanes = allLanes, findIssuer = finderIn(issuers) } = options;
  const rest = { restMs: options.restMs ?? 1_000, maxRestMs };
  const places = new Set(issuers.flatMap(({ slots }) => slots.map(({ place }) => place.id)));
  const router = new SlotRouter({
    lanes,
    findIssuer,
    createPlace: (place) => slotPool(options, place, shareOfCpus(places.size), rest),
    rest,
    onKeyChange: options.onKeyChange ?? (() => undefined),
  });
  const faults = await router.open(issuers);
  const fatal = faults.find(({ disposition }) => disposition !== 'retry');
  if (fatal !== undefined) {
    await router.stop(0);
    throw fatal;
  }
  return signingPools(router, { ...options, findIssuer });
}

function finderIn(issuers: readonly SigningIssuer[]): SlotRouterOptions['findIssuer'] {
  const byName = new Map(issuers.map((issuer) => [issuer.name, issuer]));
  return (name) => byName.get(name);
}

function signingPools(
  router: SlotRouter,
  {
    profiles,
    lanes = allLanes,
    findIssuer,
  }: Pick<SigningPoolsOptions, 'profiles' | 'lanes'> & Pick<SlotRouterOptions, 'findIssuer'>,
): SigningPools {
  const assertIssues = async (issuer: string): Promise<void> => {
    if ((await findIssuer(issuer))?.respondersOnly !== true) return;
    throw new CertmillError('FAULT_PROCESSING', `CA ${issuer} issues nothing to devices`);
  };
  const ownLane = lanes.includes('bulk') ? 'bulk' : 'interactive';
  return {
    health: () => router.health(),
    issuersOut: () => router.issuersOut(),
    cpuMicroseconds: () => router.cpuMicroseconds(),
    stop: (timeoutMs) => router.stop(timeoutMs),
    async sign(received, verdict, lane): Promise<SignedCertificates> {
      const { issuer, profileHash, count } = decodeReceivedHead(received);
      await assertIssues(issuer);
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
      await assertIssues(crl.scope.issuer);
      const { result, slot } = await router.run(crl.scope.issuer, crlTask(ownLane, crl));
      return { der: result.der, slot };
    },
    async certifyResponder(issuer, subjectPKInfoDer, notBeforeMs, notAfterMs): Promise<Uint8Array> {
      const task = responderTask(ownLane, {
        subjectPKInfoDer,
        notBeforeSeconds: Math.floor(notBeforeMs / 1_000),
        notAfterSeconds: Math.floor(notAfterMs / 1_000),
      });
      return (await router.run(issuer, task)).result.certificateDer;
    },
  };
}

function slotPool(
  options: SigningPoolsOptions,
  place: SlotPlace,
  shareOfCpus: number,
  rest: RestTimes,
): SlotPool {
  const { lanes = allLanes, interactiveThreadsPerSlot: interactive = 1 } = options;
  const bulk = options.threadsPerSlot ?? shareOfCpus;
  return new SlotPool({
    place,
    workerFile,
    serialKeys: options.serialKeys.map(({ id, key }) => ({ id, key: new Uint8Array(key) })),
    threads: {
      ...(lanes.includes('bulk') ? { bulk } : {}),
      ...(lanes.includes('interactive') ? { interactive } : {}),
    },
    maxQueue: options.maxQueue ?? 64,
    chunkTimeoutMs: options.chunkTimeoutMs ?? 60_000,
    openTimeoutMs: place.isOwn === true ? ownOpenTimeoutMs : (options.openTimeoutMs ?? 10_000),
    rest,
    onChange: options.onSlotChange ?? (() => undefined),
    onHung: options.onHung ?? (() => undefined),
  });
}

function shareOfCpus(places: number): number {
  return Math.max(1, Math.ceil(availableParallelism() / places));
}
