import { rmSync } from 'node:fs';
import { MongoClient, type Collection } from 'mongodb';
import { makeRunFolder } from '../process/run-folder.js';
import { MongoStandIn } from './mongo-stand-in.js';

let folder: string;
let store: MongoStandIn;
let client: MongoClient;
let documents: Collection<{ _id: string; n?: number }>;

beforeAll(async () => {
  folder = await makeRunFolder();
  store = await MongoStandIn.start({ folder, data: 'file' });
  client = new MongoClient(store.uri, { serverSelectionTimeoutMS: 3_000, retryWrites: false });
  documents = client.db('test').collection('documents');
});

afterAll(async () => {
  await client.close();
  await store.stop();
  rmSync(folder, { recursive: true });
});

beforeEach(() => documents.deleteMany({}));

test('what was answered before a kill is there after it, and nothing is there by half', async () => {
  const answered = new Set<string>();
  const sent = new Set<string>();
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let n = 0; ; n += 1) {
      const _id = `${writer}/${n}`;
      sent.add(_id);
      try {
        await documents.insertOne({ _id, n });
        await documents.updateOne({ _id }, { $set: { n: -n } });
      } catch {
        return;
      }
      answered.add(_id);
      if (answered.size === 100) await store.kill();
    }
  });
  await Promise.all(writers);
  await store.start();

  const found = new Map((await documents.find().toArray()).map(({ _id, n }) => [_id, n ?? NaN]));
  expect([...answered].filter((id) => found.get(id) !== -Number(id.split('/')[1]))).toEqual([]);
  expect([...found.keys()].filter((id) => !sent.has(id))).toEqual([]);
  // An _id whose document did not make it is free again.
  const lost = [...sent].filter((id) => !found.has(id));
  for (const _id of lost) await documents.insertOne({ _id });
  expect(await documents.countDocuments()).toBe(sent.size);
});

test('while it is paused nothing is answered; afterwards all is', async () => {
  await documents.insertOne({ _id: 'a' });
  await store.pause();
  const timely = documents.findOne({ _id: 'a' }, { signal: AbortSignal.timeout(300) });
  await expect(timely).rejects.toThrow();
  const late = documents.insertOne({ _id: 'b' });
  store.resume();
  await late;
  expect(await documents.countDocuments()).toBe(2);
});

test('it is stopped and started with its data', async () => {
  await documents.insertOne({ _id: 'a' });
  await store.stop();
  await store.start();
  expect(await documents.find().toArray()).toEqual([{ _id: 'a' }]);
});

test('a filter with an _id takes that document alone, and holds for the rest of it', async () => {
  const count = 20_000;
  await documents.insertMany(Array.from({ length: count }, (_, n) => ({ _id: String(n), n })));
  const timed = async (update: (n: number) => Promise<unknown>): Promise<number> => {
    const begin = performance.now();
    for (let n = 0; n < 200; n += 1) await update(n);
    return performance.now() - begin;
  };
  const changed = { $set: { n: -1 } };
  const timesPlain = async (): Promise<number> => {
    const plain = await timed((n) => documents.updateOne({ _id: String(n) }, { $set: { n } }));
    const conditional = await timed(async (n) => {
      const _id = String(n);
      const other = await documents.updateOne({ _id, n: n + 1 }, changed);
      const same = await documents.updateOne({ _id, $or: [{ n }, { n: -2 }] }, { $set: { n } });
      expect([other.matchedCount, same.matchedCount]).toEqual([0, 1]);
    });
    return conditional / plain;
  };
  // On busy cores one of the two may have to wait: who looks at all documents is slow each time.
  let times = await timesPlain();
  for (let again = 0; times >= 10 && again < 5; again += 1) times = await timesPlain();
  expect(times).toBeLessThan(10);
  expect(await documents.findOneAndUpdate({ _id: '7', n: 8 }, changed)).toBeNull();
  expect(await documents.countDocuments({ _id: { $in: ['7', '8'] }, n: 8 })).toBe(1);
  expect((await documents.deleteOne({ _id: '7', n: 8 })).deletedCount).toBe(0);
  expect((await documents.deleteOne({ _id: '7', n: 7 })).deletedCount).toBe(1);
  expect(await documents.countDocuments({ n: -1 })).toBe(0);
});

test.each(['memory', 'file'] as const)('nobody sees a document half changed: %s', async (data) => {
  const own = await makeRunFolder();
  const server = await MongoStandIn.start({ folder: own, data });
  const asking = new MongoClient(server.uri);
  try {
    const wide = asking.db('test').collection<Record<string, unknown> & { _id: string }>('wide');
    const fields = Array.from({ length: 200 }, (_, i) => `f${String(i)}`);
    const setTo = (n: number) => ({ $set: Object.fromEntries(fields.map((field) => [field, n])) });
    await wide.updateOne({ _id: 'a' }, setTo(0), { upsert: true });
    let isChanging = true;
    const torn: unknown[] = [];
    const look = (found: Record<string, unknown> | null): void => {
      if (new Set(fields.map((field) => found?.[field])).size !== 1) torn.push(found);
    };
    const readers = Array.from({ length: 4 }, async () => {
      while (isChanging) look(await wide.findOne({ _id: 'a' }));
    });
    const changer = async (): Promise<void> => {
      for (let n = 1; n <= 500; n += 1) await wide.updateOne({ _id: 'a' }, setTo(n));
      for (let n = 1; n <= 100; n += 1) {
        look(await wide.findOneAndUpdate({ _id: 'a' }, setTo(n), { returnDocument: 'after' }));
      }
    };
    const changers = Promise.all([changer(), changer()]).finally(() => (isChanging = false));
    await Promise.all([changers, ...readers]);
    expect(torn).toEqual([]);
  } finally {
    await asking.close();
    await server.stop();
    rmSync(own, { recursive: true });
  }
});
