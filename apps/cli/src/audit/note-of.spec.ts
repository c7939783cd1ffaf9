import { noteOf } from './note-of.js';

describe('what the audit trail notes of a command', () => {
  it('keeps the steps of a run whole', () => {
    const steps = Array.from({ length: 8 }, (_, i) => ({
      step: i,
      state: 'done',
      facts: 'x'.repeat(99),
    }));
    const { steps: noted, state, isBegun } = noteOf({ state: 'done', isBegun: true, steps });
    expect(JSON.parse(String(noted))).toEqual(steps);
    expect([state, isBegun]).toEqual(['done', true]);
  });

  it('fits what a running server takes, however much a command tells', () => {
    const list = Array.from({ length: 1_000 }, (_, i) => ({ name: `certificate ${String(i)}` }));
    const values = Array.from({ length: 100 }, (_, i) => [
      `n${String(i)}`,
      i % 2 ? list : 'x'.repeat(999),
    ]);
    const noted = noteOf(Object.fromEntries(values) as object);
    expect(Object.keys(noted)).toHaveLength(40);
    expect(JSON.stringify(noted).length).toBeLessThan(32 * 1024);
  });

  it('leaves out what was not given', () => {
    expect(noteOf({ name: 'a', slot: undefined, issuer: null })).toEqual({ name: 'a' });
  });
});
