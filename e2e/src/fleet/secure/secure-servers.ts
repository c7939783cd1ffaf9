import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, KafkaCluster, MongoStandIn, RedisServer, SoftHsm } from '@certmill/native';
import { mongoLogin } from './mongo-login.js';
import type { Secret } from './secrets.js';
import { TestPki, type Identity } from './test-pki.js';
import { TlsFront } from './tls-front.js';

/** What is wrong with the certificate of a server beside the good one. */
export type BadServer = 'expired' | 'elsewhere';

const listenerOf = { expired: 'EXPIRED', elsewhere: 'ELSEWHERE' } as const;
const username = 'certmill';
const plainUsername = 'certmill-plain';

/** The servers of a fleet, which let nobody in without TLS and credentials, and bad ones beside them. */
export class SecureServers {
  readonly client: Identity;
  /** Its CA is not the fleet's. */
  readonly stranger: Identity;
  readonly caFile: string;
  readonly otherCaFile: string;
  readonly secrets: readonly Secret[];
  /** Commands that clients sent to MongoDB before they were logged in. */
  readonly refusedByMongo: string[] = [];
  readonly #folder: string;
  readonly #identities: Readonly<Record<'server' | BadServer, Identity>>;
  readonly #passwords = {
    kafka: randomUUID(),
    plain: randomUUID(),
    redis: randomUUID(),
    mongo: randomUUID(),
    pin: `pin-${randomUUID()}`,
  };
  readonly #stops: (() => Promise<void>)[] = [];
  #kafka!: KafkaCluster;
  #hsm!: SoftHsm;
  #pinFile = '';
  #mongo!: Readonly<Record<'server' | BadServer, TlsFront>>;
  #redis!: Readonly<Record<'server' | BadServer, number>>;

  private constructor(folder: string) {
    const pki = new TestPki(join(folder, 'pki'));
    this.#folder = folder;
    this.caFile = pki.ca('fleet-ca');
    this.otherCaFile = pki.ca('other-ca');
    this.#identities = {
      server: pki.leaf('server', 'fleet-ca'),
      expired: pki.leaf('expired', 'fleet-ca', { days: -1 }),
      elsewhere: pki.leaf('elsewhere', 'fleet-ca', { name: 'DNS:elsewhere.example' }),
    };
    this.client = pki.leaf('client', 'fleet-ca');
    this.stranger = pki.leaf('stranger', 'other-ca');
    this.secrets = Object.entries(this.#passwords).map(([name, value]) => ({ name, value }));
    for (const { name, value } of this.secrets) writeFileSync(this.#fileOf(name), `${value}\n`);
    writeFileSync(this.#fileOf('wrong'), `${randomUUID()}\n`);
  }

  static async start(folder: string): Promise<SecureServers> {
    const servers = new SecureServers(folder);
    try {
      await Promise.all([
        servers.#startKafka(),
        servers.#startMongo(),
        servers.#startRedis(),
        servers.#startHsm(),
      ]);
    } catch (error) {
      await servers.stop();
      throw error;
    }
    return servers;
  }

  /** Of `LocalFleet`; addresses are in the sections below. */
  get environment(): Readonly<Record<string, string>> {
    return {
      ...this.#hsm.environment,
      PKCS11_MODULE: this.#hsm.moduleFile,
      PKCS11_TOKEN_LABELS: 'east',
      PKCS11_PIN_FILE: this.#pinFile,
      SOFTHSM2_UTIL: this.#hsm.utility,
    };
  }

  /** The file of a wrong password. */
  get wrongFile(): string {
    return this.#fileOf('wrong');
  }

  get plainBrokers(): readonly string[] {
    return this.#kafka.brokers;
  }

  kafka(mechanism: 'scram-sha-512' | 'plain' = 'scram-sha-512', bad?: BadServer) {
    const isPlain = mechanism === 'plain';
    return {
      brokers: this.#kafka.brokersOf(bad === undefined ? 'SECURE' : listenerOf[bad]),
      tls: { caFile: this.caFile },
      sasl: {
        mechanism,
        username: isPlain ? plainUsername : username,
        passwordFile: this.#fileOf(isPlain ? 'plain' : 'kafka'),
      },
    };
  }

  /** The client's certificate says who it is. */
  kafkaByCertificate(tls: object = this.#tlsOf(this.client)) {
    return { brokers: this.#kafka.brokersOf('MUTUAL'), tls };
  }

  mongo(server: 'server' | BadServer = 'server') {
    return {
      uri: `mongodb://127.0.0.1:${String(this.#mongo[server].port)}/?directConnection=true`,
      database: 'certmill',
      username,
      passwordFile: this.#fileOf('mongo'),
      tls: this.#tlsOf(this.client),
    };
  }

  redis(server: 'server' | BadServer = 'server') {
    return {
      host: '127.0.0.1',
      port: this.#redis[server],
      username,
      passwordFile: this.#fileOf('redis'),
      tls: this.#tlsOf(this.client),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stops.splice(0).map((stop) => stop()));
  }

  #tlsOf({ certFile, keyFile }: Identity) {
    return { caFile: this.caFile, certFile, keyFile };
  }

  async #startKafka(): Promise<void> {
    const { server, expired, elsewhere } = this.#identities;
    const users = { [username]: this.#passwords.kafka, [plainUsername]: this.#passwords.plain };
    this.#kafka = await KafkaCluster.start({
      folder: join(this.#folder, 'kafka'),
      brokers: 1,
      secure: [
        { name: 'SECURE', keystoreFile: server.keystoreFile, users },
        { name: 'MUTUAL', keystoreFile: server.keystoreFile, clientCaFile: this.caFile },
        { name: listenerOf.expired, keystoreFile: expired.keystoreFile, users },
        { name: listenerOf.elsewhere, keystoreFile: elsewhere.keystoreFile, users },
      ],
    });
    this.#stops.push(() => this.#kafka.stop());
  }

  /** The stand-in knows neither TLS nor users: both are put in front of it. */
  async #startMongo(): Promise<void> {
    const store = await MongoStandIn.start({ folder: join(this.#folder, 'mongo') });
    this.#stops.push(() => store.stop());
    const login = mongoLogin({ [username]: this.#passwords.mongo }, (command) =>
      this.refusedByMongo.push(command),
    );
    this.#mongo = await this.#fronts(Number(new URL(store.uri).port), login);
  }

  async #startRedis(): Promise<void> {
    const { certFile, keyFile } = this.#identities.server;
    const [port = 0] = await freePorts(1);
    const redis = await RedisServer.start({
      folder: join(this.#folder, 'redis'),
      args: [
        ...['--tls-port', String(port), '--tls-auth-clients', 'yes'],
        ...['--tls-cert-file', certFile, '--tls-key-file', keyFile],
        ...['--tls-ca-cert-file', this.caFile],
        ...['--user', username, 'on', `>${this.#passwords.redis}`, '~*', '&*', '+@all'],
      ],
    });
    this.#stops.push(() => redis.stop());
    const { expired, elsewhere } = await this.#fronts(Number(new URL(redis.url).port));
    this.#redis = { server: port, expired: expired.port, elsewhere: elsewhere.port };
  }

  async #startHsm(): Promise<void> {
    this.#hsm = await SoftHsm.open(join(this.#folder, 'softhsm'));
    const token = await this.#hsm.createToken({ label: 'east', pin: this.#passwords.pin });
    this.#pinFile = token.pinFile;
  }

  async #fronts(port: number, join?: ReturnType<typeof mongoLogin>) {
    const frontOf = async (identity: Identity): Promise<TlsFront> => {
      const front = await TlsFront.start({
        identity,
        port,
        clientCaFile: this.caFile,
        ...(join === undefined ? {} : { join }),
      });
      this.#stops.push(() => front.stop());
      return front;
    };
    const { server, expired, elsewhere } = this.#identities;
    return {
      server: await frontOf(server),
      expired: await frontOf(expired),
      elsewhere: await frontOf(elsewhere),
    };
  }

  #fileOf(name: string): string {
    return join(this.#folder, `${name}.password`);
  }
}
