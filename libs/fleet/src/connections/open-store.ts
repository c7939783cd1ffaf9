import { checkCollections, openMongoStore, type MongoStoreOptions } from '@certmill/adapter-mongo';
import { CertmillError } from '@certmill/domain';
import { LineLimiter, type IssuanceStore } from '@certmill/platform';
import type { ApprovalLedger, OcspStore } from '@certmill/ports';
import { readClientTls, readSecret } from '../config/secret-files.js';
import type { FleetConfig } from '../config/fleet-config.js';
import { MarksInFolder, statusSealsFor } from '../keys/status-seals.js';
import type { ServiceContext } from '../service-context.js';
import { withCacheDirectory } from './cache-directory.js';
import { snapshotJournal } from './snapshot-journal.js';

/** How to reach the store, with secrets read from their files. */
export function mongoConnection({ mongo }: Pick<FleetConfig, 'mongo'>, appName: string) {
  const tls = readClientTls('mongo.tls', mongo.tls);
  const { uri, database, username, passwordFile } = mongo;
  if ((username === undefined) !== (passwordFile === undefined)) {
    throw new CertmillError('CONFIG_INVALID', 'mongo: username and passwordFile go together');
  }
  return {
    uri,
    database,
    appName,
    ...(username === undefined || passwordFile === undefined
      ? {}
      : { credentials: { username, password: readSecret('mongo.passwordFile', passwordFile) } }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/**
 * The store; waits for it, and until its collections are as `fleet init` makes them.
 * @param onIssuanceTime see `MongoStoreOptions`.
 */
export async function openStore(
  context: ServiceContext,
  onIssuanceTime?: (atMs: number) => void,
): Promise<IssuanceStore> {
  return (await openStores(context, onIssuanceTime)).store;
}

/** With pre-signed OCSP responses and used approvals, over the same connection. */
export interface OpenedStores {
  readonly store: IssuanceStore;
  readonly ocsp: OcspStore;
  readonly approvals: ApprovalLedger;
}

/** The same for roles that work with them. */
export async function openStores(
  context: ServiceContext,
  onIssuanceTime?: (atMs: number) => void,
): Promise<OpenedStores> {
  const { config, logger } = context;
  const { journal } = context.metrics;
  const limiter = new LineLimiter();
  const connection = mongoConnection(config, `certmill-${context.role}-${context.instance}`);
  const cache = await withCacheDirectory(config, context.role);
  context.parts.push({ stop: () => cache.remove() });
  const what = `mongodb at ${hostsOf(config.mongo.uri)}`;
  await context.waitFor(what, async () => {
    const differences = await checkCollections(connection);
    if (differences.length === 0) return;
    const reasons = differences.join('; ');
    throw new CertmillError('FAULT_STORE_DOWN', `run 'certmill fleet init': ${reasons}`);
  });
  const store = await context.waitFor(what, () =>
    openMongoStore({
      ...connection,
      clock: context.clock,
      ...statusOptions(context),
      cacheDirectory: cache.directory,
      maxAllowListDevices: config.maxAllowListDevices,
      allowListIndexBytes: config.allowListIndexMebibytes * 1024 * 1024,
      ...(onIssuanceTime === undefined ? {} : { onIssuanceTime }),
      onRenewed() {
        logger.warn('MongoDB answered no call: the connection was made anew');
      },
      onFault(fault) {
        // Passed over by the store, e.g. a snapshot that is damaged; who asks in vain halts by itself.
        const passed = limiter.pass(fault.code);
        if (passed !== undefined)
          logger.warn({ code: fault.code, err: fault, ...passed }, 'mongodb');
      },
      journalObserver: {
        folded: (shard, _entries, tail) => journal.tail(shard, tail),
        conflict: (shard) => journal.conflict(shard),
        ignored(shard, seq) {
          const passed = limiter.pass('ignored');
          if (passed === undefined) return;
          const line = { shard, seq, ...passed };
          logger.warn(
            line,
            'an entry of the journal has no effect: a process that was cut off made it',
          );
        },
      },
    }),
  );
  context.parts.push(store);
  if (context.role === 'validate') context.parts.push(snapshotJournal(context, store));
  const measured = context.metrics.store.measured(store);
  const around = context.overrides.aroundStore?.(measured) ?? measured;
  return { store: around, ocsp: store.ocsp, approvals: store };
}

/** Of those who record status changes, and of sign, who makes CRLs of them: nobody else has the keys. */
function statusOptions({
  role,
  config,
}: ServiceContext): Pick<MongoStoreOptions, 'statusSeals' | 'statusMarks'> {
  if (role !== 'ingest' && role !== 'sign') return {};
  const { statusMarks: folder } = config;
  const keepsMarks = role === 'sign' && folder !== undefined;
  return {
    statusSeals: statusSealsFor(config),
    ...(keepsMarks ? { statusMarks: new MarksInFolder(folder) } : {}),
  };
}

function hostsOf(uri: string): string {
  return /^[^:]+:\/\/([^/?]*)/.exec(uri)?.[1] ?? '';
}
