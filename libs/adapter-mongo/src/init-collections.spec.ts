import { MongoServerError, type Db } from 'mongodb';
import { DriverCalls } from './connection/driver-calls.js';
import { differencesIn, makeCollections } from './init-collections.js';

/** As much of a mongos as collections are made with; it keeps what it was told. */
class FakeCluster {
  readonly commands: unknown[] = [];
  readonly shardKeys = new Map<string, unknown>();
  readonly #msg: string | undefined;
  readonly #documents = new Map<string, Map<string, object>>();
  readonly #indexes = new Map<string, object[]>();

  constructor(msg?: string) {
    this.#msg = msg;
  }

  get db(): Db {
    return {
      databaseName: 'fleet',
      admin: () => ({ command: (command: object) => Promise.resolve(this.#command(command)) }),
      createCollection: (name: string) => this.#create(name),
      collection: (name: string) => this.#collection(name),
      client: { db: () => ({ collection: () => ({ findOne: (id: object) => this.#keyOf(id) }) }) },
    } as unknown as Db;
  }

  #command(command: object): object {
    if ('hello' in command) return this.#msg === undefined ? {} : { msg: this.#msg };
    this.commands.push(command);
    if ('shardCollection' in command && 'key' in command) {
      this.shardKeys.set(String(command.shardCollection), command.key);
    }
    return {};
  }

  #create(name: string): Promise<void> {
    if (this.#documents.has(name)) {
      return Promise.reject(new MongoServerError({ message: 'there', code: 48 }));
    }
    this.#documents.set(name, new Map());
    this.#indexes.set(name, [{ key: { _id: 1 } }]);
    return Promise.resolve();
  }

  #keyOf(id: object): Promise<object | null> {
    const key = this.shardKeys.get('_id' in id ? String(id._id) : '');
    return Promise.resolve(key === undefined ? null : { key });
  }

  #collection(name: string) {
    const documents = this.#documents.get(name) ?? new Map<string, object>();
    return {
      collectionName: name,
      createIndex: (key: object) => Promise.resolve(this.#indexes.get(name)?.push({ key })),
      indexes: () => Promise.resolve(this.#indexes.get(name) ?? []),
      findOne: ({ _id }: { _id: string }) => Promise.resolve(documents.get(_id) ?? null),
      insertOne: (document: { _id: string }) => {
        if (documents.has(document._id)) {
          return Promise.reject(new MongoServerError({ message: 'there', code: 11_000 }));
        }
        documents.set(document._id, document);
        return Promise.resolve({});
      },
    };
  }
}

describe('the collections on a sharded cluster', () => {
  const calls = new DriverCalls({ timeoutMs: 1_000 });

  test('are sharded by the hash of their only unique key', async () => {
    const cluster = new FakeCluster('isdbgrid');
    await makeCollections(cluster.db, calls);
    expect(cluster.commands[0]).toEqual({ enableSharding: 'fleet' });
    expect(cluster.shardKeys.size).toBe(26);
    expect(new Set([...cluster.shardKeys.values()].map((key) => JSON.stringify(key)))).toEqual(
      new Set(['{"_id":"hashed"}']),
    );
    expect(await differencesIn(cluster.db, calls)).toEqual([]);
    await makeCollections(cluster.db, calls);
    expect(await differencesIn(cluster.db, calls)).toEqual([]);
  });

  test('say which of them is not', async () => {
    const cluster = new FakeCluster('isdbgrid');
    await makeCollections(cluster.db, calls);
    cluster.shardKeys.set('fleet.buckets', { _id: 1 });
    cluster.shardKeys.delete('fleet.segments');
    expect(await differencesIn(cluster.db, calls)).toEqual([
      'collection buckets is not sharded by the hash of _id',
      'collection segments is not sharded by the hash of _id',
    ]);
  });

  test('are left unsharded where there is one server', async () => {
    const cluster = new FakeCluster();
    await makeCollections(cluster.db, calls);
    expect(cluster.commands).toEqual([]);
    expect(await differencesIn(cluster.db, calls)).toEqual([]);
  });
});
