import {
  assertIssuersOfPolicy,
  ocspPolicySchema,
  presignPolicyOf,
  presignsAny,
} from './ocsp-policy.js';

const day = 86_400;
const of = (text: unknown) => presignPolicyOf(ocspPolicySchema.parse(text));

describe('what is signed ahead', () => {
  it('is nothing where nothing is said', () => {
    expect(presignsAny(ocspPolicySchema.parse({}))).toBe(false);
    expect(of({}).lifetimeSecondsOf('factory')).toBeUndefined();
  });

  it('is for all issuers, but for those that have a policy of their own', () => {
    const issuers = { short: { presignedHours: 24 }, never: { presign: 'none' } };
    const policy = of({ presign: 'all', issuers });
    expect(['any', 'short', 'never'].map((name) => policy.lifetimeSecondsOf(name))).toEqual([
      7 * day,
      day,
      undefined,
    ]);
    expect(policy.longestSeconds).toBe(7 * day);
  });

  it('may be for some issuers only, and longer than usual', () => {
    const text = {
      presignedHours: 48,
      issuers: { a: { presign: 'all' }, b: { presignedHours: 720 } },
    };
    const policy = of(text);
    expect(presignsAny(ocspPolicySchema.parse(text))).toBe(true);
    expect(['a', 'b', 'toString'].map((name) => policy.lifetimeSecondsOf(name))).toEqual([
      2 * day,
      undefined,
      undefined,
    ]);
    expect(policy.longestSeconds).toBe(30 * day);
  });

  it.each([
    [{ issuers: { a: { presign: 'some' } } }],
    [{ issuers: { a: { presignedHours: 2 } } }],
    [{ issuers: { a: { presign: 'none', presignedHours: 24 } } }],
    [{ issuers: { a: { hours: 24 } } }],
  ])('%j is refused', (text) => {
    expect(ocspPolicySchema.safeParse(text).success).toBe(false);
  });

  it('is for nobody by a slip', () => {
    const policy = ocspPolicySchema.parse({ issuers: { a: { presign: 'all' }, b: {} } });
    expect(() => assertIssuersOfPolicy(policy, ['a'])).toThrow(
      "ocsp.issuers.b: there is no issuer 'b'",
    );
    expect(() => assertIssuersOfPolicy(policy, ['a', 'b', 'c'])).not.toThrow();
  });
});
