import {
  assertSameWish,
  type CompromiseFacts,
  type CompromiseWish,
  deviceReasonFor,
  planCompromise,
  reissueOperationOf,
} from './plan.js';

const aWish = (overrides: Partial<CompromiseWish> = {}): CompromiseWish => ({
  name: 'leave-old',
  issuer: 'old',
  reason: 'cACompromise',
  successor: { name: 'new' },
  isReissued: true,
  isCaFirst: false,
  keepsCa: false,
  ...overrides,
});

const facts: CompromiseFacts = {
  serialNumberHex: '07',
  hasParent: true,
  isSuccessorThere: false,
  nowMs: 1_000,
};

const stepsOf = (overrides: Partial<CompromiseWish>, more: Partial<CompromiseFacts> = {}) =>
  planCompromise(aWish(overrides), { ...facts, ...more }).steps;

const withoutSuccessor: CompromiseWish = {
  ...{ name: 'leave-old', issuer: 'old', reason: 'cACompromise' },
  ...{ isReissued: false, isCaFirst: false, keepsCa: false },
};
const population = ['drain', 'reissue', 'revoke', 'crls'];
const ca = ['revoke-ca', 'parent-crl'];

describe('planCompromise', () => {
  it('has the CA revoked last, so that nobody is without a certificate before', () => {
    expect(stepsOf({})).toEqual(['successor', 'close', ...population, ...ca]);
  });

  it('has it revoked before the population moves, where its key is in use by others', () => {
    expect(stepsOf({ isCaFirst: true })).toEqual(['successor', 'close', ...ca, ...population]);
  });

  it('has nothing issued where nothing is to be', () => {
    expect(planCompromise(withoutSuccessor, facts).steps).toEqual([
      'close',
      'drain',
      'revoke',
      'crls',
      ...ca,
    ]);
  });

  it('leaves the CA alone where another tenant is still to leave it, and where it is a root', () => {
    const steps = ['successor', 'close', ...population];
    expect(stepsOf({ keepsCa: true })).toEqual(steps);
    expect(stepsOf({}, { hasParent: false })).toEqual(steps);
  });

  it('closes the old issuer before anything of it is moved or revoked, in every form', () => {
    for (const isCaFirst of [true, false]) {
      for (const isReissued of [true, false]) {
        const steps = stepsOf({ isCaFirst, isReissued });
        expect(steps.indexOf('close')).toBe(1);
        expect(steps.indexOf('drain')).toBeLessThan(steps.indexOf('revoke'));
        expect(steps.indexOf('revoke')).toBeLessThan(steps.indexOf('crls'));
      }
    }
  });

  it('freezes whether the successor is made', () => {
    expect(planCompromise(aWish(), facts).makesSuccessor).toBe(true);
    const there = { ...facts, isSuccessorThere: true };
    expect(planCompromise(aWish(), there).makesSuccessor).toBe(false);
    expect(planCompromise(withoutSuccessor, facts).makesSuccessor).toBe(false);
  });

  it.each([
    ['cACompromise', 'superseded', 'keyCompromise'],
    ['superseded', 'superseded', 'superseded'],
    ['cessationOfOperation', 'cessationOfOperation', 'cessationOfOperation'],
  ] as const)('gives devices under a CA that is revoked for %s the reason %s', (...row) => {
    const [reason, device, withoutReissue] = row;
    expect(deviceReasonFor({ reason, isReissued: true })).toBe(device);
    expect(deviceReasonFor({ reason, isReissued: false })).toBe(withoutReissue);
    expect(planCompromise(aWish({ reason }), facts).deviceReason).toBe(device);
    const own = aWish({ reason, deviceReason: 'affiliationChanged' });
    expect(planCompromise(own, facts).deviceReason).toBe('affiliationChanged');
  });

  it.each<[string, Partial<CompromiseWish>]>([
    ['takes its own place', { successor: { name: 'old' } }],
    ['contradict', { isCaFirst: true, keepsCa: true }],
    ['on hold', { reason: 'certificateHold' }],
    ['on hold', { deviceReason: 'certificateHold' }],
    ['of CA certificates', { deviceReason: 'cACompromise' }],
    ['at most 48 characters', { name: 'a'.repeat(49) }],
    ['lower-case', { name: 'Leave' }],
  ])('refuses what cannot be meant: %s', (_, overrides) => {
    expect(() => planCompromise(aWish(overrides), facts)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }) as Error,
    );
  });

  it('refuses a reissue under nobody', () => {
    expect(() => planCompromise({ ...withoutSuccessor, isReissued: true }, facts)).toThrow(
      /--to NAME; or --no-reissue/,
    );
  });

  it('gives operations names that are names of orders, however long the run is named', () => {
    expect(reissueOperationOf({ name: 'a'.repeat(48) }, 9_998)).toMatch(/^[a-z0-9-]{1,63}$/);
  });
});

describe('assertSameWish', () => {
  const plan = planCompromise(aWish(), facts);

  it('takes the same again', () => {
    assertSameWish(plan, aWish());
  });

  it('tells what was typed otherwise', () => {
    expect(() => {
      assertSameWish(plan, aWish({ successor: { name: 'other', key: 'ml-dsa-44' } }));
    }).toThrow(/begun with successor name new, not other; successor key none, not ml-dsa-44:/);
    expect(() => {
      assertSameWish(plan, aWish({ ratePerSecond: 5 }));
    }).toThrow(expect.objectContaining({ code: 'CONFLICT' }) as Error);
  });
});
