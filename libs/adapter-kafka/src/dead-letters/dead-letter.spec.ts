import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import { recordBytes } from '../client/record-codec.js';
import {
  causeOfDeadLetter,
  deadLetterOf,
  deadLetterOverheadBytes,
  recordOfDeadLetter,
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
    const dead = deadLetterOf(record, 'certmill-test', cause, 20_000);
    const { headers, key, value } = record;
    expect(recordOfDeadLetter(dead)).toEqual({ headers, key, value });
    expect(recordBytes(dead) - recordBytes(record)).toBeLessThan(deadLetterOverheadBytes);
  });

  it('over the limit is cut to which record it was and why', () => {
    const headers = { ce_id: 'a', large: 'x'.repeat(100_000) };
    const record = aRecord({ headers, key: 'k'.repeat(100_000) });
    const dead = deadLetterOf(record, 'certmill-test', cause, 20_000);
    expect(dead.headers).toMatchObject({ ce_id: 'a' });
    const told = causeOfDeadLetter(dead);
    expect(told).toMatchObject({ position: '0:1', code: 'FAULT_EVENT_FORGED' });
    expect(told.cutBytes).toBeGreaterThan(200_000);
    expect(recordBytes(dead)).toBeLessThan(5_000);
  });
});
