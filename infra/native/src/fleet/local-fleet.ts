import { createPrivateKey } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { freePorts } from '../process/free-ports.js';
import { runCommand } from '../process/run-command.js';
import type { FleetRole, FleetService } from './fleet-service.js';
import { localAuthority } from './local-authority.js';
import { ServiceMaker, type ServicePlan } from './service-maker.js';
import { tokensWithKey } from './tokens-with-key.js';
import { commandFile, pathOfWorkspace } from './workspace-commands.js';

export interface LocalFleetOptions {
  /** Fresh; everything of the fleet lies in it. */
  readonly folder: string;
  /** Addresses of the servers, as `resolveServers` gives them. */
  readonly environment: Readonly<Record<string, string>>;
  /** The issuer's key is in each token of the environment; else in a file of sign's. */
  readonly usesTokens?: boolean;
  readonly plan?: readonly ServicePlan[];
  readonly replicationFactor?: number;
  readonly minInsyncReplicas?: number;
  readonly partitions?: { readonly bulk: number; readonly interactive: number };
  /** Put over the section `kafka` of the configuration. */
  readonly kafka?: Readonly<Record<string, unknown>>;
  /** Put over each service's configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly apiPort?: number;
  /** Port of a validation authority, the role status; there is none where absent. */
  readonly statusPort?: number;
  /** Each sign keeps what it has seen of the log of status changes in a folder of its own. */
  readonly keepsMarks?: boolean;
  /** Makes the hierarchy with its issuer `factory`; `certmill ca init` where absent. */
  readonly makeTrust?: (directory: string, passphraseFile: string) => Promise<void>;
  /** What runs a role, for tests; it is given `--config FILE`. */
  readonly commandOf?: (role: FleetRole) => readonly [string, ...string[]];
}

/** Each lane with processes of its own, so that interactive stays fast (DESIGN 6). */
export const defaultPlan: readonly ServicePlan[] = [
  { role: 'ingest', lanes: ['bulk', 'interactive'] },
  { role: 'validate', lanes: ['bulk'] },
  { role: 'validate', lanes: ['interactive'] },
  { role: 'sign', lanes: ['bulk'] },
  { role: 'sign', lanes: ['interactive'] },
  { role: 'publish', lanes: ['bulk'] },
  { role: 'publish', lanes: ['interactive'] },
];

const issuerName = 'factory';
/** Bounds the waiting for a whole fleet; one process is ready in seconds on an idle machine. */
const readyWithinMs = 180_000;

/**
 * A fleet on this machine: a CA and keys made for it, topics and collections, and the services as
 * processes of their own.
 */
export class LocalFleet {
  readonly folder: string;
  readonly url: string;
  readonly configFile: string;
  readonly services: readonly FleetService[];
  readonly #maker: ServiceMaker;
  readonly #certmill: (...args: string[]) => Promise<string>;
  #adminKey = '';

  private constructor(
    options: LocalFleetOptions,
    parts: {
      readonly url: string;
      readonly configFile: string;
      readonly services: readonly FleetService[];
      readonly maker: ServiceMaker;
      readonly certmill: (...args: string[]) => Promise<string>;
    },
  ) {
    this.folder = options.folder;
    this.url = parts.url;
    this.configFile = parts.configFile;
    this.services = parts.services;
    this.#maker = parts.maker;
    this.#certmill = parts.certmill;
  }

  /** Of the admin of the tenant `default`; empty before `init`. */
  get adminKey(): string {
    return this.#adminKey;
  }

  /** Makes everything and starts the services; resolves when all are ready. */
  static async start(options: LocalFleetOptions): Promise<LocalFleet> {
    const fleet = await LocalFleet.prepare(options);
    for (const service of fleet.services) service.start();
    try {
      await fleet.whenReady();
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  /** Makes everything; the services are there and not started. */
  static async prepare(options: LocalFleetOptions): Promise<LocalFleet> {
    const fleet = await LocalFleet.make(options);
    await fleet.init();
    return fleet;
  }

  /** Makes all that needs no server: CA, keys, and the services with their configurations. */
  static async make(options: LocalFleetOptions): Promise<LocalFleet> {
    const { folder, environment, statusPort } = options;
    const authority = statusPort === undefined ? undefined : localAuthority(folder, statusPort);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const trust = join(folder, 'trust');
    const passphraseFile = join(folder, 'passphrase');
    await writeFile(passphraseFile, `${crypto.randomUUID()}\n`, { mode: 0o600 });
    const certmill = (...args: string[]): Promise<string> =>
      runCommand(commandFile('certmill'), args, {
        purpose: 'a local fleet',
        install: 'the packages of the workspace (npm ci)',
        environment: {
          ...pathOfWorkspace(),
          ...environment,
          CERTMILL_CA_PASSPHRASE_FILE: passphraseFile,
        },
      });
    if (options.makeTrust === undefined) {
      const addresses = authority?.addresses ?? [];
      await certmill('ca', 'init', issuerName, '--data', trust, ...addresses, '--json');
    } else {
      await options.makeTrust(trust, passphraseFile);
    }
    await authority?.prepare(trust);
    const keys = JSON.parse(
      await certmill('fleet', 'keys', '--out', join(folder, 'keys'), '--json'),
    ) as { hopKeys: Record<string, string>; manifestKey: string };
    const slots =
      options.usesTokens === true
        ? await tokensWithKey(
            environment,
            folder,
            issuerName,
            await decryptedKey(trust, passphraseFile),
          )
        : undefined;
    const [apiPort = 0] = options.apiPort === undefined ? await freePorts(1) : [options.apiPort];
    const shared = {
      ...serversOf(environment),
      hopKeys: keys.hopKeys,
      trust,
      passphraseFile,
      manifestKeyFile: keys.manifestKey,
      cacheDirectory: folder,
      issuers: {
        [issuerName]: {
          tenants: 'all',
          ...(slots === undefined
            ? {}
            : { slots: slots.map((slot) => ({ ...slot, keyLabel: issuerName })) }),
        },
      },
      http: { port: apiPort },
      ...options.settings,
    };
    shared.kafka = {
      ...shared.kafka,
      ...options.kafka,
      replicationFactor: options.replicationFactor ?? 1,
      minInsyncReplicas: options.minInsyncReplicas ?? 1,
      partitions: options.partitions ?? { bulk: 4, interactive: 2 },
    };
    const maker = new ServiceMaker(
      folder,
      shared,
      apiPort,
      environment,
      options.commandOf ?? ((role) => [commandFile(`certmill-${role}`)]),
      options.keepsMarks === true,
    );
    const configFile = await maker.writeConfig('fleet', {});
    const services: FleetService[] = [];
    const usual = options.plan ?? defaultPlan;
    for (const plan of authority?.planOf(usual) ?? usual) {
      services.push(...(await maker.make(plan)));
    }
    const url = `http://127.0.0.1:${String(apiPort)}`;
    return new LocalFleet(options, { url, configFile, services, maker, certmill });
  }

  /** Makes topics, collections and the first credential, by `certmill fleet init`. */
  async init(): Promise<void> {
    const text = await this.#certmill('fleet', 'init', '--config', this.configFile, '--json');
    const { firstCredential } = JSON.parse(text) as { firstCredential?: { key: string } };
    if (firstCredential === undefined) {
      throw new CertmillError(
        'CONFLICT',
        'the database belongs to another fleet: give a fresh one',
      );
    }
    this.#adminKey = firstCredential.key;
  }

  /** More processes of a kind, started; the caller waits for them. */
  async add(plan: ServicePlan): Promise<readonly FleetService[]> {
    const added = await this.#maker.make(plan);
    for (const service of added) service.start();
    (this.services as FleetService[]).push(...added);
    return added;
  }

  async whenReady(): Promise<void> {
    await Promise.all(this.services.map((service) => service.whenReady(readyWithinMs)));
  }

  of(role: FleetRole, lane?: 'bulk' | 'interactive'): readonly FleetService[] {
    return this.services.filter(
      ({ role: its, name }) => its === role && (lane === undefined || name.includes(lane)),
    );
  }

  /** Lets every service drain; ingest first, so that what is accepted goes its way. */
  async stop(): Promise<void> {
    const stopping = this.of('ingest').map((service) => service.stop());
    await Promise.all(stopping);
    await Promise.all(this.services.map((service) => service.stop()));
  }
}

/** The sections of a configuration that say where servers are. */
function serversOf(environment: Readonly<Record<string, string>>) {
  const { KAFKA_BROKERS = '', MONGODB_URI = '', REDIS_URL = '' } = environment;
  const redis = URL.parse(REDIS_URL);
  return {
    kafka: { brokers: KAFKA_BROKERS.split(',') } as Record<string, unknown>,
    mongo: { uri: MONGODB_URI, database: 'certmill' },
    redis: { host: redis?.hostname ?? '127.0.0.1', port: Number(redis?.port ?? 6379) },
  };
}

async function decryptedKey(trust: string, passphraseFile: string): Promise<string> {
  const pem = await readFile(join(trust, 'ca', issuerName, 'key.pem'));
  const passphrase = (await readFile(passphraseFile, 'utf8')).trimEnd();
  return createPrivateKey({ key: pem, passphrase })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}
