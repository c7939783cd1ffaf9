import { readFileSync, statSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Kafka } from 'kafkajs';
import { MongoClient } from 'mongodb';
import pkcs11js from 'pkcs11js';

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

test('Kafka has one broker that makes topics on request only', async () => {
  const brokers = given('KAFKA_BROKERS').split(',');
  const admin = new Kafka({ brokers, logCreator: () => () => undefined }).admin();
  await admin.connect();
  try {
    const cluster = await admin.describeCluster();
    expect(cluster.brokers.length).toBeGreaterThan(0);
    const topic = `native.${process.pid}`;
    await expect(admin.fetchTopicMetadata({ topics: [topic] })).rejects.toMatchObject({
      type: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] });
    expect(await admin.listTopics()).toContain(topic);
  } finally {
    await admin.disconnect();
  }
});

test('the store takes the current driver and refuses a second document of one _id', async () => {
  const client = new MongoClient(given('MONGODB_URI'), {
    writeConcern: { w: 'majority', journal: true },
    readConcern: { level: 'majority' },
  });
  try {
    const documents = client.db('native').collection<{ _id: string }>(`c${process.pid}`);
    await documents.insertOne({ _id: 'a' });
    await expect(documents.insertOne({ _id: 'a' })).rejects.toMatchObject({ code: 11000 });
    expect(await documents.find().toArray()).toEqual([{ _id: 'a' }]);
  } finally {
    await client.close();
  }
});

test('Redis evicts nothing', async () => {
  const redis = new Redis(given('REDIS_URL'));
  try {
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual([
      'maxmemory-policy',
      'noeviction',
    ]);
  } finally {
    redis.disconnect();
  }
});

test('the PKCS#11 module has the tokens, and the PIN in the file opens each', () => {
  const pinFile = given('PKCS11_PIN_FILE');
  const pin = readFileSync(pinFile, 'utf8');
  expect(statSync(pinFile).mode & 0o777).toBe(0o600);
  const module = new pkcs11js.PKCS11();
  module.load(given('PKCS11_MODULE'));
  module.C_Initialize({ flags: 2 });
  try {
    const labels = module.C_GetSlotList(true).flatMap((slot) => {
      const { label, flags } = module.C_GetTokenInfo(slot);
      if ((flags & pkcs11js.CKF_TOKEN_INITIALIZED) === 0) return [];
      const session = module.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION);
      module.C_Login(session, pkcs11js.CKU_USER, pin);
      return [label.trim()];
    });
    expect(labels.sort()).toEqual(given('PKCS11_TOKEN_LABELS').split(',').sort());
  } finally {
    module.C_Finalize();
  }
});
