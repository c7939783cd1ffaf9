import { randomBytes } from 'node:crypto';
import { createServer, connect as connectTcp, Socket, type AddressInfo } from 'node:net';
import type { ISocketFactory, Logger, Message } from 'kafkajs';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';
import createFetchManager from 'kafkajs/src/consumer/fetchManager.js';
import Runner from 'kafkajs/src/consumer/runner.js';
import Connection from 'kafkajs/src/network/connection.js';
import produce from 'kafkajs/src/protocol/requests/produce/index.js';
import { isRebalancing } from '../client/kafka-fault.js';
import { crc32c } from './crc32c.js';
import { canEncode, encodeProduce } from './encode-produce.js';
import { mendKafkajs } from './mend-kafkajs.js';

const nowMs = 1_795_288_928_884;

type Topics = Parameters<typeof encodeProduce>[0]['topicData'];

function argumentsOf(topicData: Topics) {
  return { acks: -1, timeout: 10_000, producerId: -1, producerEpoch: 0, topicData };
}

function aMessage(overrides: Partial<Message> = {}): Message {
  return { key: 'key', value: Buffer.from('value'), headers: { ce_id: 'a' }, ...overrides };
}

/** As kafkajs writes it, at the same time. */
async function asKafkajs(topicData: Topics): Promise<Buffer> {
  const timed = topicData.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition, messages }) => ({
      partition,
      firstSequence: 0,
      messages: messages.map((message) => ({ ...message, timestamp: String(nowMs) })),
    })),
  }));
  return (await produce.protocol({ version: 7 })(argumentsOf(timed)).request.encode()).buffer;
}

describe('CRC-32C', () => {
  it.each([
    ['', 0],
    ['123456789', 0xe3069283],
    ['\0'.repeat(32), 0x8a9136aa],
    ['\xff'.repeat(32), 0x62a8ab43],
  ])('of %j is that of RFC 3720 B.4', (text, sum) => {
    const bytes = Buffer.from(text, 'latin1');
    expect(crc32c(bytes, 0, bytes.length)).toBe(sum);
  });

  it('is that of each octet after the other, at any place and length', () => {
    const bytes = randomBytes(400);
    for (let start = 0; start < 20; start++) {
      for (let end = start; end < 120; end++) {
        let sum = -1;
        for (const octet of bytes.subarray(start, end)) {
          sum ^= octet;
          for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
        }
        expect(crc32c(bytes, start, end)).toBe(~sum >>> 0);
      }
    }
  });
});

describe('a produce request', () => {
  const many = Array.from({ length: 200 }, (_, i) => aMessage({ key: `key ${String(i)}` }));
  const topicsOf = (messages: readonly Message[]): Topics => [
    { topic: 'test.records.made.v1', partitions: [{ partition: 3, messages }] },
  ];

  it.each<[string, Topics]>([
    ['one record', topicsOf([aMessage()])],
    ['no headers', topicsOf([aMessage({ headers: {} }), { key: 'k', value: Buffer.from('v') }])],
    ['no key', topicsOf([aMessage({ key: null })])],
    ['empty texts', topicsOf([aMessage({ key: '', value: Buffer.alloc(0), headers: { a: '' } })])],
    ['more than ASCII', topicsOf([aMessage({ key: 'Schlüssel', headers: { größe: '±1' } })])],
    [
      'octets as key and header',
      topicsOf([aMessage({ key: randomBytes(9), headers: { a: randomBytes(70) } })]),
    ],
    ['many records', topicsOf(many)],
    ['large records', topicsOf([aMessage({ value: randomBytes(500_000) }), aMessage()])],
    ...[62, 63, 64, 65, 8_100, 8_191, 8_192, 1_048_575, 1_048_576].map(
      (bytes): [string, Topics] => [
        `a value of ${String(bytes)} octets`,
        topicsOf([aMessage({ value: randomBytes(bytes) })]),
      ],
    ),
    [
      'several topics and partitions',
      [
        {
          topic: 'a',
          partitions: [
            { partition: 0, messages: [aMessage()] },
            { partition: 11, messages: many },
          ],
        },
        { topic: 'b', partitions: [{ partition: 1, messages: [aMessage()] }] },
      ],
    ],
  ])('with %s has the octets that kafkajs writes', async (_what, topicData) => {
    const given = argumentsOf(topicData);
    expect(canEncode(given)).toBe(true);
    expect(encodeProduce(given, nowMs).equals(await asKafkajs(topicData))).toBe(true);
  });

  it.each([
    ['a producer id', { producerId: 7 }],
    ['a transaction', { transactionalId: 't' }],
    ['compression', { compression: 1 }],
    ['a time stamp', { topicData: topicsOf([aMessage({ timestamp: '1' })]) }],
    ['no value', { topicData: topicsOf([aMessage({ value: null })]) }],
    ['a header twice', { topicData: topicsOf([aMessage({ headers: { a: ['1', '2'] } })]) }],
  ])('with %s is left to kafkajs', (_what, overrides) => {
    expect(canEncode({ ...argumentsOf(topicsOf([aMessage()])), ...overrides })).toBe(false);
  });

  it('is written by us once kafkajs is mended, however often that is asked', async () => {
    mendKafkajs();
    mendKafkajs();
    const given = argumentsOf(topicsOf([aMessage()]));
    const { buf, buffer } = await produce.protocol({ version: 7 })(given).request.encode();
    // Ours has the right size from the start.
    expect(buf.length).toBe(buffer.length);
    const old = await produce.protocol({ version: 2 })(given).request.encode();
    expect(old.buf.length).toBeGreaterThan(old.buffer.length);
  });
});

describe('a connection', () => {
  const ignore = (): void => undefined;
  const logger: Logger = {
    info: ignore,
    error: ignore,
    warn: ignore,
    debug: ignore,
    namespace: () => logger,
    setLogLevel: ignore,
  };

  function aConnection(
    port: number,
    socketFactory: ISocketFactory,
    connectionTimeout = 10_000,
  ): Connection {
    mendKafkajs();
    const timeouts = { connectionTimeout, requestTimeout: 10_000 };
    return new Connection({ host: '127.0.0.1', port, logger, socketFactory, ...timeouts });
  }

  it('is opened once, however many ask for it at once, and again after it was closed', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const sockets: Socket[] = [];
    const connection = aConnection((server.address() as AddressInfo).port, (args) => {
      const socket = connectTcp({ host: args.host, port: args.port }, args.onConnect);
      sockets.push(socket);
      return socket;
    });
    try {
      await Promise.all([connection.connect(), connection.connect(), connection.connect()]);
      expect(sockets).toHaveLength(1);
      await connection.disconnect();
      await Promise.all([connection.connect(), connection.connect()]);
      expect(sockets).toHaveLength(2);
    } finally {
      await connection.disconnect();
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('that is hung up before it is there fails in time, and can be tried again', async () => {
    let tries = 0;
    const hungUp: ISocketFactory = () => {
      tries++;
      const socket = new Socket();
      setImmediate(() => socket.emit('end'));
      return socket;
    };
    const connection = aConnection(1, hungUp, 200);
    for (let i = 1; i <= 2; i++) {
      await expect(connection.connect()).rejects.toMatchObject({ name: 'KafkaJSConnectionError' });
      expect(tries).toBe(i);
    }
  });
});

describe('a fetch that fails', () => {
  /** What a consumer group of kafkajs does then. */
  async function recoverFrom(error: object): Promise<{ outcome: unknown; calls: string[] }> {
    mendKafkajs();
    const calls: string[] = [];
    const note = (name: string) => () => {
      calls.push(name);
      return Promise.resolve();
    };
    const group = Object.assign(Object.create(ConsumerGroup.prototype) as ConsumerGroup, {
      logger: { debug: () => undefined, warn: () => undefined },
      cluster: { refreshMetadata: note('refresh'), removeBroker: note('remove') },
      joinAndSync: note('join'),
    });
    const outcome = await group.recoverFromFetch(error).catch((thrown: unknown) => thrown);
    return { outcome, calls };
  }

  it.each([
    { type: 'NOT_LEADER_FOR_PARTITION' },
    { type: 'UNKNOWN_TOPIC_OR_PARTITION' },
    { name: 'KafkaJSStaleTopicMetadataAssignment' },
  ])('of %j leads to a rebalance, not to a join beside other fetches', async (error) => {
    const { outcome, calls } = await recoverFrom(error);
    expect(isRebalancing(outcome)).toBe(true);
    expect(calls).toEqual(['refresh']);
  });

  it('for another reason is left to kafkajs', async () => {
    const closed = { name: 'KafkaJSConnectionClosedError', host: 'h', port: 1 };
    expect(await recoverFrom(closed)).toEqual({ outcome: undefined, calls: ['remove'] });
    const other = { name: 'KafkaJSError' };
    expect(await recoverFrom(other)).toEqual({ outcome: other, calls: [] });
  });
});

describe('fetchers of a consumer that was stopped', () => {
  it('end, also those that were made anew just then', async () => {
    mendKafkajs();
    const logger: Partial<Logger> = { debug: () => undefined, namespace: () => logger as Logger };
    let brokers = [1];
    let fetches = 0;
    const runner = Object.assign(Object.create(Runner.prototype) as Runner, {
      running: true,
      logger,
      instrumentationEmitter: { emit: () => undefined },
      heartbeat: () => Promise.resolve(),
      consumerGroup: {
        fetch: () => {
          brokers = [1, 2];
          return Promise.resolve([]);
        },
      },
    });
    const fetchManager = createFetchManager({
      logger: logger as Logger,
      getNodeIds: () => {
        // Nothing else would end a loop that leaves the event loop no turn.
        if (++fetches > 1_000) throw new Error('they go on for ever');
        // The consumer is stopped while the old fetchers end.
        if (brokers.length > 1) Object.assign(runner, { running: false });
        return brokers;
      },
      fetch: (nodeId) => runner.fetch(nodeId),
      handler: () => Promise.resolve(),
    });
    Object.assign(runner, { fetchManager });
    await fetchManager.start();
    expect(fetches).toBeGreaterThan(2);
  });
});
