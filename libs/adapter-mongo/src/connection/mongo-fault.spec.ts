import { CertmillError } from '@certmill/domain';
import { isDuplicateKey, isRefused, mongoFault } from './mongo-fault.js';

const secret = 'mongodb://user:secret@host';

function errorWith(code: number | string): Error {
  return Object.assign(new Error(secret), { code });
}

describe('what the driver throws', () => {
  test.each([
    [errorWith(14_031), 'FAULT_DISK_FULL'],
    [errorWith(267), 'FAULT_STORE_CORRUPT'],
    [errorWith(10_334), 'FAULT_PROCESSING'],
    [errorWith(10_107), 'FAULT_STORE_DOWN'],
    [errorWith(64), 'FAULT_STORE_DOWN'],
    [errorWith(18), 'FAULT_STORE_DOWN'],
    [errorWith('ECONNRESET'), 'FAULT_STORE_DOWN'],
    ['no error at all', 'FAULT_STORE_DOWN'],
  ])('is classified: %s', (error, code) => {
    const fault = mongoFault(error, 'update buckets');
    expect(fault).toMatchObject({ code, cause: error });
    expect(fault.message).toMatch(/^cannot update buckets: /);
    expect(fault.message).not.toContain(secret);
  });

  test('stays what it is where it is classified already', () => {
    const fault = new CertmillError('CONFLICT', 'no');
    expect(mongoFault(fault, 'update buckets')).toBe(fault);
  });

  test('tells a taken id and refused credentials from the rest', () => {
    expect([11_000, 18, 'ENOTFOUND'].map((code) => isDuplicateKey(errorWith(code)))).toEqual([
      true,
      false,
      false,
    ]);
    expect([11_000, 18, 13].map((code) => isRefused(errorWith(code)))).toEqual([false, true, true]);
    expect(isDuplicateKey(undefined)).toBe(false);
  });
});
