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

  it('are passed over where they have no end of their label', () => {
    const text = `-----BEGIN A-----\n-----BEGIN ${'x'.repeat(65)}-----\n${block('B', 'one')}`;
    expect(labelsIn(`${text}-----BEGIN B-----\n-----END`)).toEqual(['B: one']);
  });

  it.each([
    ['of one label', () => '-----BEGIN A-----\n'],
    ['of a label each', (number: number) => `-----BEGIN ${number.toString(36)}-----\n`],
    [
      'that end as another',
      (number: number) => `-----BEGIN A-----\n-----END ${String(number)}-----`,
    ],
  ])('are looked for in 5 MB of beginnings %s within a second', (_, line) => {
    const lines: string[] = [];
    for (let octets = 0, number = 0; octets < 5_000_000; number += 1) {
      const next = line(number);
      octets += next.length;
      lines.push(next);
    }
    const text = Buffer.from(lines.join(''));
    const { user } = process.cpuUsage();
    expect(pemBlocksOf(text)).toEqual([]);
    expect(process.cpuUsage().user - user).toBeLessThan(1_000_000);
  });
});
