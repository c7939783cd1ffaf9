import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import { recordBytes } from '../client/record-codec.js';
import {
  deadLetterOf,
  deadLetterRoomBytes,
  recordOfDeadLetter,
  withoutValue,
} from './dead-letter.js';

const cause = new CertmillError('FAULT_EVENT_FORGED', 'x'.repeat(2_000));

function aRecord(overrides: Partial<DeliveredRecord> = {}): DeliveredRecord {
  const headers = { ce_id: 'a' };
  const value = Buffer.alloc(5_000);
  return { topic: 't', position: '0:1', headers, key: 'k', value, ...overrides };
}

describe('a dead letter', () => {
  it('is its record again without its cause, and fits into the room that it has more', () => {
    const record = aRecord();
    const dead = deadLetterOf(record, 'certmill-test', cause);
    const { headers, key, value } = record;
    expect(recordOfDeadLetter(dead)).toEqual({ headers, key, value });
    expect(recordBytes(dead) - recordBytes(record)).toBeLessThan(deadLetterRoomBytes);
  });

  it('without its value says which record it was and why, and is no record again', () => {
    const headers = { ce_id: 'a', large: 'x'.repeat(100_000) };
    const record = aRecord({ headers, key: 'k'.repeat(100_000) });
    const dead = withoutValue(deadLetterOf(record, 'certmill-test', cause));
    expect(dead.headers).toMatchObject({
      ce_id: 'a',
      certmill_dead_position: '0:1',
      certmill_dead_code: 'FAULT_EVENT_FORGED',
      certmill_dead_omitted: '5000 octets',
    });
    expect(recordBytes(dead)).toBeLessThan(5_000);
    expect(recordOfDeadLetter(dead)).toBeUndefined();
  });
});
