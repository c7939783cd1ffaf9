import { MongoClient, type Db, type MongoClientOptions } from 'mongodb';
import { CertmillError, tlsRefusalOf } from '@certmill/domain';
import { DriverCalls, type AroundCall } from './driver-calls.js';
import { isRefused, mongoFault } from './mongo-fault.js';
import { RenewedClient } from './renewed-client.js';

export interface MongoConnectionOptions {
  /** `mongodb://host:port,...` or `mongodb+srv://...`. */
  readonly uri: string;
  readonly database: string;
  /** As the server's logs and lists of operations name the process. Default `certmill`. */
  readonly appName?: string;
  /** In place of those of the URI. */
  readonly credentials?: {
    readonly username: string;
    readonly password: string;
    /** The database that knows the user. Default `admin`. */
    readonly authSource?: string;
  };
  /** PEM. Present: the connection is TLS, whatever the URI says. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** A call that is not answered by then fails with FAULT_STORE_DOWN. Default 20,000. */
  readonly callTimeoutMs?: number;
  /** Default 32. */
  readonly maxConnections?: number;
  /** Whatever would change the store fails with CONFLICT. */
  readonly isReadOnly?: boolean;
  /** Told when the connection was made anew, since no call was answered by the one before. */
  readonly onRenewed?: () => void;
  /** For tests. */
  readonly around?: AroundCall;
}

export interface MongoConnection {
  /** Not to be kept: there is another one when the connection is made anew. */
  readonly db: () => Db;
  readonly calls: DriverCalls;
  readonly close: () => Promise<void>;
}

const defaultCallTimeoutMs = 20_000;
const defaultMaxConnections = 32;

/**
 * Connects and waits for a first answer. A connection by which no call is answered any more is made anew.
 * Faults: CONFIG_INVALID (URI, TLS material, credentials), FAULT_STORE_DOWN.
 */
export async function openMongoConnection(
  options: MongoConnectionOptions,
): Promise<MongoConnection> {
  const timeoutMs = options.callTimeoutMs ?? defaultCallTimeoutMs;
  const client = new RenewedClient({
    make: () => openDatabase(options, timeoutMs),
    ping: ({ db }) => db.command({ ping: 1 }),
    timeoutMs,
  });
  const calls = new DriverCalls({
    timeoutMs,
    isReadOnly: options.isReadOnly,
    onUnanswered: () => void renew(),
    ...(options.around === undefined ? {} : { around: options.around }),
  });

  async function renew(): Promise<void> {
    const { answers } = calls;
    const isRenewed = await client.renew(() => calls.answers === answers);
    // The next time is not before calls have failed for as long again.
    calls.forgetFailures();
    if (isRenewed) options.onRenewed?.();
  }

  try {
    await client.current.db.command({ ping: 1 });
  } catch (error) {
    await client.close().catch(() => undefined);
    throw connectionFault(error);
  }
  return { db: () => client.current.db, calls, close: () => client.close() };
}

function openDatabase(options: MongoConnectionOptions, timeoutMs: number) {
  const client = makeClient(options, timeoutMs);
  return { db: client.db(options.database), close: () => client.close() };
}

function connectionFault(error: unknown): CertmillError {
  const options = { cause: error };
  if (isRefused(error)) {
    return new CertmillError('CONFIG_INVALID', 'MongoDB refuses the credentials', options);
  }
  const refusal = tlsRefusalOf(error);
  if (refusal !== undefined) {
    return new CertmillError('CONFIG_INVALID', `MongoDB is not accepted: ${refusal}`, options);
  }
  return mongoFault(error, 'connect to MongoDB');
}

function makeClient(options: MongoConnectionOptions, timeoutMs: number): MongoClient {
  const { credentials, tls } = options;
  const settings: MongoClientOptions = {
    appName: options.appName ?? 'certmill',
    // Decisions hang on what is read and written: neither may be rolled back by an election.
    writeConcern: { w: 'majority', journal: true },
    readConcern: { level: 'majority' },
    readPreference: 'primary',
    promoteBuffers: true,
    maxPoolSize: options.maxConnections ?? defaultMaxConnections,
    // No step of a call waits longer than the call may take.
    serverSelectionTimeoutMS: Math.ceil(timeoutMs / 2),
    connectTimeoutMS: Math.ceil(timeoutMs / 2),
    waitQueueTimeoutMS: timeoutMs,
    socketTimeoutMS: timeoutMs,
    ...(credentials === undefined
      ? {}
      : {
          auth: { username: credentials.username, password: credentials.password },
          authSource: credentials.authSource ?? 'admin',
        }),
    ...(tls === undefined ? {} : { ...tls, tls: true }),
  };
  try {
    return new MongoClient(options.uri, settings);
  } catch (error) {
    // Its message may hold the URI, which may hold a password.
    throw new CertmillError('CONFIG_INVALID', 'the MongoDB URI or its options are not valid', {
      cause: error,
    });
  }
}
