import {
  CertmillError,
  isCertmillError,
  profileOfCanonical,
  type FaultCode,
} from '@certmill/domain';
import { topics } from '@certmill/events';
import {
  createHops,
  hopKeysOf,
  issuanceClock,
  profileCatalogue,
  PublicationNotices,
  publishChunk,
  runStage,
  signChunk,
  validateChunk,
  type PublishPorts,
  type StageObserver,
} from '@certmill/pipeline';
import {
  openEmbeddedStore,
  openEventLog,
  type Disk,
  type EmbeddedStore,
} from '@certmill/adapter-embedded';
import {
  addBuiltInProfiles,
  issuanceServices,
  presignsAny,
  Repository,
  type IssuanceServices,
  type KeptProfile,
  type StatusObserver,
} from '@certmill/platform';
import type { Clock, EventLog, Stoppable } from '@certmill/ports';
import {
  openExaminationPool,
  openSigningPools,
  type OpenExaminationPool,
  type SigningPools,
  type SigningPoolsOptions,
} from '@certmill/signing';
import {
  CaCrlEnds,
  DelegateEnds,
  issuingPolicy,
  publishedCas,
  readPassphrase,
  type Issuer,
  whyNoneIssues,
} from '@certmill/trust';
import { openApprovalFolder, openOperationGate, readQuorumPolicy } from '@certmill/trust/approvals';
import type { StandaloneConfig } from './config.js';
import type { DataFolder } from './data-folder.js';
import { certifiesByItself } from './certifies-by-itself.js';
import { openIssuers, signingIssuers } from './issuers.js';
import { openManifestKey } from './manifest-key.js';
import { openOcsp, respondersDirectoryOf, type Ocsp } from './open-ocsp.js';

/** The whole pipeline in one process, running. */
export interface Issuance extends Stoppable {
  readonly services: IssuanceServices;
  readonly store: EmbeddedStore;
  readonly log: EventLog;
  readonly examiner: OpenExaminationPool;
  readonly signer: SigningPools;
  readonly ocsp: Ocsp;
  /** Unix milliseconds; undefined where no issuer signs now. */
  readonly firstIssuerEndMs: () => number | undefined;
  /** Why no issuer takes uploads now, a text for each; empty where one does. */
  readonly whyNoneIssues: () => readonly string[];
  /** Who speaks for the CAs of the folder. */
  readonly delegates: DelegateEnds;
  /** The first nextUpdate of a CRL of CA certificates; undefined where there is none. */
  readonly firstCaCrlEndMs: () => number | undefined;
  /** As they are now: one that was added to the folder is among them once it was asked for. */
  readonly issuers: readonly Issuer[];
  /** Built-in profiles of which tenants have one of their own, stored before: theirs stay in force. */
  readonly keptProfiles: readonly KeptProfile[];
  /** Of the keys of CAs that lie in files. */
  readonly readPassphrase: () => Promise<string>;
  /** Until disposed the log removes nothing: for a copy of the folder. */
  holdLog(): Disposable;
  /** Rejects when the process has to be started again: a PKCS#11 module hangs in a signature. */
  readonly failed: Promise<never>;
  /** What each part's threads cost so far, in microseconds of CPU. */
  cpu(): Promise<IssuanceCpu>;
}

/** CPU in microseconds since the start; `process` holds all of them and the runtime's own threads. */
export interface IssuanceCpu {
  readonly main: number;
  readonly validate: number;
  readonly sign: number;
  readonly store: number;
  readonly process: number;
}

/** What tests put in the place of the real thing; a server measures its store and its log. */
export interface IssuanceOverrides {
  readonly clock?: Clock;
  /** Put around the store and the log, e.g. to fail or to die between two calls. */
  readonly aroundStore?: (store: EmbeddedStore) => EmbeddedStore;
  readonly aroundLog?: (log: EventLog) => EventLog;
  /** File URL of a `SlotModule` that watches every signature. */
  readonly slotModule?: string;
  /** URL of a module whose `storeDisk` the store uses in the place of the file system. */
  readonly storeDiskModule?: string;
  readonly statusObserver?: StatusObserver;
  /** Told of folders of issuers that cannot be read as they are now. */
  readonly onIssuerFault?: (error: CertmillError) => void;
  /** Told where a slot or a key in it fails, and where it can be used again. */
  readonly slotObserver?: Pick<SigningPoolsOptions, 'onSlotChange' | 'onKeyChange'>;
  /** What the log uses in the place of the file system. */
  readonly logDisk?: Disk;
}

/** Of answers: how long a thread of the face keeps one, and a client or proxy at most. */
const statusLimits = { cachedMs: 5_000, maxAgeSeconds: 3_600 };
/** Interactive chunks hold one request: many fit. */
const interactiveInHand = 64;

/**
 * Opens every part on the embedded adapters and starts the stages, the last one first so that each
 * finds its next. The caller stops it before it releases the folder.
 */
export async function openIssuance(
  folder: DataFolder,
  config: StandaloneConfig,
  observer: StageObserver,
  overrides: IssuanceOverrides = {},
): Promise<Issuance> {
  const parts: Stoppable[] = [];
  try {
    return await assemble(folder, config, observer, overrides, parts);
  } catch (error) {
    for (const part of parts.reverse()) await part.stop(1_000);
    throw error;
  }
}

async function assemble(
  folder: DataFolder,
  config: StandaloneConfig,
  observer: StageObserver,
  overrides: IssuanceOverrides,
  parts: Stoppable[],
): Promise<Issuance> {
  const systemClock: Clock = overrides.clock ?? { nowMs: () => Date.now() };
  const issuers = await openIssuers(folder, config);
  const gate = await openOperationGate({
    policy: () => readQuorumPolicy(folder.directory),
    ledger: openApprovalFolder(folder.directory),
    clock: systemClock,
  });
  const { storeDiskModule: diskModule, logDisk: disk } = overrides;
  const halted = new Map<string, FaultCode>();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const canonicalOf = (hash: string): string | undefined => profiles.canonicalOf(hash);
  const { catalogue } = issuers;
  if (overrides.onIssuerFault !== undefined) catalogue.tellFaults(overrides.onIssuerFault);
  const signing = signingIssuers(issuers, overrides.slotModule);
  const [opened, openedLog, examiner, signer] = await openSideBySide(
    parts,
    openEmbeddedStore({
      directory: folder.store,
      clock: systemClock,
      statusSecret: folder.secret,
      maxAllowListDevices: config.maxAllowListDevices,
      onFault: (fault) => {
        if (fault.code === 'FAULT_DISK_FULL' || halted.has('store')) return;
        halted.set('store', fault.code);
        observer.halted('store', fault);
      },
      ...(diskModule === undefined ? {} : { diskModule }),
    }),
    openEventLog({
      directory: folder.log,
      durableTopics: [topics.requestsReceived.bulk, topics.requestsReceived.interactive],
      relayTopics: [
        ...Object.values(topics.requestsValidated),
        ...Object.values(topics.certificatesIssued),
        topics.certificatesPublished,
      ],
      maxBacklogBytes: config.maxBacklogBytes,
      ...(disk === undefined ? {} : { disk }),
    }),
    openExaminationPool({
      profiles: canonicalOf,
      threads: config.workers.validate,
      ...(config.blocklistFile === undefined ? {} : { blocklistFile: config.blocklistFile }),
    }),
    openSigningPools({
      issuers: signing.all,
      findIssuer: (name) => signing.find(name),
      profiles(issuer, hash) {
        catalogue.assertSigns(issuer, systemClock.nowMs());
        return canonicalOf(hash);
      },
      serialKeys: issuers.serialKeys,
      threadsPerSlot: config.workers.sign,
      chunkTimeoutMs: config.signTimeoutMs,
      ...overrides.slotObserver,
      onHung({ slot }) {
        const fault = new CertmillError(
          'FAULT_HSM_LOST',
          `slot ${slot} hangs in its module: the process must be started again`,
        );
        halted.set('sign', fault.code);
        observer.halted('sign', fault);
        fail(fault);
      },
    }),
  );
  const store = overrides.aroundStore?.(opened) ?? opened;
  const log = overrides.aroundLog?.(openedLog) ?? openedLog;

  const clock = issuanceClock(systemClock, await store.lastIssuanceMs());
  const hops = createHops(hopKeysOf(folder.secret), systemClock);
  const profiles = profileCatalogue(store, profileOfCanonical);

  const notices = new PublicationNotices();
  const watched: StageObserver = {
    ...observer,
    halted(stage, error) {
      halted.set(stage, isCertmillError(error) ? error.code : 'FAULT_PROCESSING');
      observer.halted(stage, error);
    },
  };
  const subscription = await notices.subscribe(log);
  parts.push(subscription);
  const common = { log, certificates: store, observer: watched };
  const concurrency = { bulk: config.bulkChunksInHand, interactive: interactiveInHand };
  const caCrls = new CaCrlEnds(folder.directory, catalogue);
  const certifies = certifiesByItself(issuers);
  const delegates = new DelegateEnds({
    names: catalogue,
    caOf: (name) => issuers.authorities.find(name),
    dataDirectory: folder.directory,
    responders: respondersDirectoryOf(folder.directory),
    certifies,
    clock: systemClock,
  });
  const repository = new Repository({
    ...publishedCas(folder.directory),
    caCrlEnds: () => caCrls.list(),
    delegateEnds: (names) => delegates.list(names),
    crls: store,
    clock: systemClock,
    shardsOf: (name) => {
      const issuer = catalogue.find(name);
      return issuer && (issuer.status?.crlShards ?? 0);
    },
  });
  const ocsp = await openOcsp({
    repository,
    directory: folder.directory,
    policy: config.ocsp,
    issuers,
    store,
    certifier: signer,
    certifies,
    clock: systemClock,
    limits: config.status ?? statusLimits,
    observer: overrides.statusObserver ?? { answered: () => undefined, fault: () => undefined },
  });
  parts.push(ocsp);
  const publish: PublishPorts = {
    certificates: store,
    profiles,
    log,
    hops,
    clock: systemClock,
    onPublished: observer.published.bind(observer),
    ...(presignsAny(config.ocsp) ? { afterEnd: (chunk) => ocsp.changed(chunk) } : {}),
  };
  const sign = { certificates: store, signer, log, hops, clock: systemClock };
  const validate = { stores: store, profiles, examiner, log, hops, clock: systemClock };
  parts.push(
    await runStage({
      ...common,
      stage: 'publish',
      concurrency,
      handler: (record) => publishChunk(publish, record),
    }),
    await runStage({
      ...common,
      stage: 'sign',
      concurrency,
      handler: (record, traceparent) => signChunk(sign, record, traceparent),
    }),
    await runStage({
      ...common,
      stage: 'validate',
      concurrency,
      handler: (record, traceparent) => validateChunk(validate, record, traceparent),
    }),
  );

  const services = issuanceServices({
    store,
    log,
    hops,
    profiles,
    notices,
    clock: systemClock,
    pinningClock: clock,
    serialKeys: issuers.serialKeys,
    serialKeyId: issuers.serialKeyId,
    policy: issuingPolicy(catalogue, systemClock),
    gate,
    manifestKey: openManifestKey(folder.directory),
    readiness: {
      halted: () => [...halted].map(([stage, code]) => ({ stage, code })),
      waitingFor: () => [],
    },
    repository,
    jobs: store,
    observer,
    answerStatus: (...call) => ocsp.reply(...call),
    async onChanged(chunks) {
      for (const chunk of chunks) await ocsp.changed(chunk);
    },
  });
  const keptProfiles = await addBuiltInProfiles(store, systemClock);
  return {
    services,
    store,
    log,
    examiner,
    signer,
    ocsp,
    firstIssuerEndMs: () => catalogue.firstEndMs(systemClock.nowMs()),
    whyNoneIssues: () => whyNoneIssues(catalogue.all, systemClock.nowMs()),
    delegates,
    firstCaCrlEndMs: () => caCrls.firstEndMs(),
    get issuers() {
      return catalogue.all;
    },
    keptProfiles,
    failed,
    readPassphrase: () => readPassphrase(issuers.passphrase, process.env),
    holdLog: () => openedLog.holdSegments(),
    async cpu() {
      const main = process.threadCpuUsage();
      const all = process.cpuUsage();
      return {
        main: main.user + main.system,
        validate: await examiner.cpuMicroseconds(),
        sign: await signer.cpuMicroseconds(),
        store: await opened.cpuMicroseconds(),
        process: all.user + all.system,
      };
    },
    async stop(timeoutMs) {
      for (const part of [...parts].reverse()) await part.stop(timeoutMs);
    },
  };
}

type Part = Stoppable | { close(): Promise<void> };

/** Opens parts at the same time. What opened is in `parts`, in this order, also where another failed. */
async function openSideBySide<T extends readonly Part[]>(
  parts: Stoppable[],
  ...opening: { [I in keyof T]: Promise<T[I]> }
): Promise<T> {
  for (const settled of await Promise.allSettled<Part>(opening)) {
    if (settled.status === 'rejected') continue;
    const part = settled.value;
    parts.push('stop' in part ? part : { stop: () => part.close() });
  }
  return Promise.all(opening);
}
