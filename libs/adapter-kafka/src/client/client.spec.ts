import { CertmillError } from '@certmill/domain';
import { createKafka } from './create-kafka.js';
import {
  isFenced,
  isOfKafka,
  isRebalancing,
  isTooLarge,
  isTransient,
  kafkaFault,
  kafkaRefusal,
} from './kafka-fault.js';
import { messageOf, parsePlace, recordBytes, recordOf } from './record-codec.js';

function protocolError(type: string, cause?: unknown): Error {
  return Object.assign(new Error(type, { cause }), { name: 'KafkaJSProtocolError', type });
}

/** As kafkajs wraps what it has given up on. */
function wrapped(type: string): Error {
  const cause = protocolError(type);
  return Object.assign(new Error(type, { cause }), { name: 'KafkaJSNonRetriableError' });
}

describe('what Kafka says', () => {
  it.each([
    ['UNKNOWN_MEMBER_ID', { isFenced: true, isRebalancing: false, isTransient: true }],
    ['ILLEGAL_GENERATION', { isFenced: true, isRebalancing: false, isTransient: true }],
    ['REBALANCE_IN_PROGRESS', { isFenced: false, isRebalancing: true, isTransient: true }],
    ['NOT_COORDINATOR_FOR_GROUP', { isFenced: false, isRebalancing: true, isTransient: true }],
    ['NOT_LEADER_FOR_PARTITION', { isFenced: false, isRebalancing: false, isTransient: true }],
    ['TOPIC_AUTHORIZATION_FAILED', { isFenced: false, isRebalancing: false, isTransient: false }],
    ['MESSAGE_TOO_LARGE', { isFenced: false, isRebalancing: false, isTransient: false }],
  ])('%s', (type, expected) => {
    for (const error of [protocolError(type), wrapped(type)]) {
      expect({
        isFenced: isFenced(error),
        isRebalancing: isRebalancing(error),
        isTransient: isTransient(error),
      }).toEqual(expected);
    }
    expect(isTooLarge(wrapped(type))).toBe(type === 'MESSAGE_TOO_LARGE');
  });

  it('is a fault to be retried, whose message has none of its text', () => {
    const cause = protocolError('secret of the broker');
    const fault = kafkaFault('the topic cannot be read', cause);
    expect(fault).toMatchObject({ code: 'FAULT_BUS_DOWN', disposition: 'retry', cause });
    expect(fault.message).toBe('the topic cannot be read');
    const own = new CertmillError('FAULT_STOPPING', 'stops');
    expect(kafkaFault('x', own)).toBe(own);
  });

  it('is known by its name, also as the cause of something else', () => {
    const found = [
      protocolError('NOT_LEADER_FOR_PARTITION'),
      new Error('wrapped', { cause: wrapped('NOT_LEADER_FOR_PARTITION') }),
      new TypeError('a defect of ours'),
      undefined,
    ].map(isOfKafka);
    expect(found).toEqual([true, true, false, false]);
  });

  it('about who the client is ends what opens a connection', () => {
    const named = (name: string, code?: string): Error =>
      new Error('retries exceeded', {
        cause: Object.assign(new Error('secret of the broker'), { name, code }),
      });
    const refused = named('KafkaJSSASLAuthenticationError');
    expect(isTransient(refused)).toBe(false);
    expect(kafkaRefusal('topics', refused)).toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'topics: Kafka refuses the credentials',
    });
    expect(
      kafkaRefusal('topics', named('KafkaJSConnectionError', 'CERT_HAS_EXPIRED')),
    ).toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'topics: a Kafka broker is not accepted: its certificate has expired',
    });
    expect(kafkaRefusal('topics', named('KafkaJSConnectionError', 'ECONNREFUSED'))).toBeUndefined();
  });

  it('with causes in a circle is judged all the same', () => {
    const error = protocolError('A');
    error.cause = error;
    expect(isTransient(error)).toBe(true);
  });
});

describe('a client', () => {
  it.each([[[]], [['kafka']], [['[::1]:9092']], [['a:1', 'b']], [['a:1 ']]])(
    'of %j is not made',
    (brokers) => {
      let thrown: unknown;
      try {
        createKafka({ brokers, clientId: 'c' });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: 'CONFIG_INVALID' });
    },
  );
});

describe('a record', () => {
  const value = Uint8Array.from([0, 255, 128]);
  const record = { headers: { ce_id: 'a', traceparent: '' }, key: 'k', value };

  it('is the same after its way through messages', () => {
    const { key, value: bytes, headers } = messageOf(record);
    expect(Buffer.isBuffer(bytes)).toBe(true);
    const message = {
      key: Buffer.from(String(key)),
      value: bytes as Buffer,
      headers: { ce_id: Buffer.from('a'), traceparent: Buffer.from('') },
      offset: '12',
      timestamp: '0',
      attributes: 0,
    };
    expect(headers).toEqual(record.headers);
    const read = recordOf('t', 3, message);
    expect(read).toMatchObject({ headers: record.headers, key: 'k', topic: 't', position: '3:12' });
    expect(Buffer.from(read.value).equals(value)).toBe(true);
  });

  it('of somebody else is read, whatever it lacks', () => {
    const headers = { twice: [Buffer.from('1'), Buffer.from('2')], none: undefined };
    const message = { key: null, value: null, offset: '0', timestamp: '0', attributes: 0, headers };
    expect(recordOf('t', 0, message)).toEqual({
      topic: 't',
      position: '0:0',
      headers: { twice: '1' },
      key: '',
      value: Buffer.alloc(0),
    });
  });

  it('takes at least what it has, and not much more', () => {
    const bare = 3 + 1 + 'ce_id'.length + 1 + 'traceparent'.length;
    expect(recordBytes(record)).toBeGreaterThan(bare + 61);
    expect(recordBytes(record)).toBeLessThan(bare + 200);
  });

  it.each(['', '1', '1:', ':1', '1:2:3', '-1:2', '1:2 ', 'a:b', `1:${'9'.repeat(30)}`])(
    'is at no place called %j',
    (text) => {
      expect(parsePlace(text)).toBeUndefined();
    },
  );

  it('is at its place', () => {
    expect(parsePlace('3:0014')).toEqual({ partition: 3, offset: '14' });
  });
});
