import { pemBlocksOf } from './pem-blocks.js';

const labelsIn = (text: string): readonly string[] =>
  pemBlocksOf(Buffer.from(text)).map(
    ({ label, der }) => `${label}: ${Buffer.from(der).toString()}`,
  );
const block = (label: string, text: string): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(text).toString('base64')}\n-----END ${label}-----\n`;

describe('PEM blocks in a text', () => {
  it('are found in their order, whatever stands between them', () => {
    const text = `a\n${block('A', 'one')}-----END A-----\n${block('B C', 'two')}b${block('A', 'three')}`;
    expect(labelsIn(text)).toEqual(['A: one', 'B C: two', 'A: three']);
  });

  it.each([
    ['is cut off', `${block('B', 'one')}${block('B', 'two').slice(0, 30)}`, 'the B .* line 4 '],
    ['ends as another', `text\n-----BEGIN A-----\nAAAA\n-----END B-----\n`, 'the A .* line 2 '],
    ['stands before another', `-----BEGIN B-----\nAAAA\n${block('B', 'one')}`, 'the B .* line 1 '],
    ['is indented', `  -----BEGIN A-----\n  AAAA\n`, 'the A .* line 1 '],
    ['has a byte order mark', `\ufeff-----BEGIN A-----\nAAAA\n`, 'the A .* line 1 '],
    ['has an odd label', `-----BEGIN \u202eA-----\nAAAA\n`, 'the block .* line 1 '],
  ])('are refused by the line of one that %s', (_, text, told) => {
    expect(() => labelsIn(text)).toThrow(new RegExp(`^${told}has no end`));
  });

  it('are told from text that names them within a line', () => {
    const text = `see -----BEGIN B-----\n-----BEGIN ${'x'.repeat(65)}-----\n${block('B', 'one')}`;
    expect(labelsIn(text)).toEqual(['B: one']);
  });

  it.each([
    ['of one label', () => 'a -----BEGIN A-----\n'],
    ['of a label each', (number: number) => `a -----BEGIN ${number.toString(36)}-----\n`],
    [
      'that end as another',
      (number: number) => `a -----BEGIN A-----\n-----END ${String(number)}-----`,
    ],
  ])(
    'are looked for in 5 MB of beginnings %s, once: in a tenth of a second, not in minutes',
    (_, line) => {
      const lines: string[] = [];
      for (let octets = 0, number = 0; octets < 5_000_000; number += 1) {
        const next = line(number);
        octets += next.length;
        lines.push(next);
      }
      const text = Buffer.from(lines.join(''));
      const { user } = process.cpuUsage();
      expect(pemBlocksOf(text)).toEqual([]);
      expect(process.cpuUsage().user - user).toBeLessThan(5_000_000);
    },
  );
});
