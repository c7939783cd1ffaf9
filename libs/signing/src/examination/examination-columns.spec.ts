import fc from 'fast-check';
import type { Examination } from '@certmill/ports';
import { packExamination, unpackExamination } from './examination-columns.js';

fc.configureGlobal({ seed: 20261123 });

const cell = fc.option(
  fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 40 })),
  { nil: undefined },
);

const examinations: fc.Arbitrary<Examination> = fc
  .record({ count: fc.nat(20), columns: fc.nat(4) })
  .chain(({ count, columns }) => {
    const column = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(of, { minLength: count, maxLength: count });
    return fc.record({
      codes: column(fc.nat(255)),
      details: column(fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme' }))),
      udids: fc.uint8Array({ minLength: count * 32, maxLength: count * 32 }),
      deviceIds: column(fc.string()),
      csrValues: column(fc.array(cell, { minLength: columns, maxLength: columns })),
    });
  });

function plain(examination: Examination): unknown {
  return {
    ...examination,
    udids: [...examination.udids],
    csrValues: examination.csrValues.map((row) =>
      row.map((value) => (value instanceof Uint8Array ? [...value] : value)),
    ),
  };
}

describe('packed examinations', () => {
  it('come out as they went in, whatever the values are', () => {
    fc.assert(
      fc.property(examinations, (examination) => {
        expect(plain(unpackExamination(packExamination(examination)))).toEqual(plain(examination));
      }),
    );
  });

  it('fill up the values of requests that have fewer than the others', () => {
    const examination: Examination = {
      codes: [1, 0],
      details: ['malformed', ''],
      udids: new Uint8Array(64),
      deviceIds: ['', 'd'],
      csrValues: [[], ['a', undefined]],
    };
    const { csrValues } = unpackExamination(packExamination(examination));
    expect(csrValues).toEqual([
      [undefined, undefined],
      ['a', undefined],
    ]);
  });

  it('does not share memory between two results', () => {
    const one = { codes: [0], details: [''], deviceIds: ['a'], csrValues: [[]] };
    const first = packExamination({ ...one, udids: new Uint8Array(32).fill(1) });
    packExamination({ ...one, udids: new Uint8Array(32).fill(2) });
    expect([...unpackExamination(first).udids]).toEqual(Array(32).fill(1));
  });
});
