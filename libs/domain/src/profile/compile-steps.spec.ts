import { RE2JS } from 're2js';
import { compileSteps } from './compile-steps.js';

describe('what it takes to compile a pattern', () => {
  it.each([
    ['abc', 3, 20],
    ['[A-Za-z0-9]{1,64}', 64, 400],
    ['(?:ab|cd){100}', 400, 1_200],
    ['(?:(?:a{10}){10}){10}', 1_000, 5_000],
    // A copy of the class is looked at range by range.
    ['\\pL{100}', 1_000, 3_000],
    ['[\\pL\\pN]', 100, 300],
    // Read in both cases, character by character.
    ['(?i)[B-\u{1e942}]', 3_000, 6_000],
    ['(?i)[\\x{42}-\\x{1e942}]', 3_000, 6_000],
    ['[B-\u{1e942}]', 1, 30],
  ])('%s is between %d and %d steps', (source, least, most) => {
    const steps = compileSteps(source);
    expect(steps).toBeGreaterThanOrEqual(least);
    expect(steps).toBeLessThanOrEqual(most);
  });

  it.each([
    '(',
    ')',
    '(a))){1000}',
    '[',
    '[^',
    '[]',
    '\\',
    '\\p',
    'a{99999999999999999999}',
    '*',
    '',
  ])('is told of what is no pattern: %j', (source) => {
    expect(compileSteps(source)).toBeLessThan(10_000);
  });

  it('is never less than the instructions of the program that RE2 makes', () => {
    const parts =
      'a bc [a-f] [^\\]x] []a] [\\d-] [[:alpha:]_-] \\d \\pL \\p{Greek} \\x{41} \\x41 \\101 \\Qa.b\\E . ^ $ \\b ' +
      '(?: ( (?P<n> (?i) (?i: ) ) ) | * + ? {3} {0,4} {2,} {,3} {0} {x ?? () {40} \u{1f600}';
    const random = sequence(7);
    let patterns = 0;
    for (let tried = 0; tried < 5_000; tried += 1) {
      const source = Array.from({ length: 1 + random(16) }, () => {
        const all = parts.split(' ');
        return all[random(all.length)] ?? '';
      }).join('');
      const size = sizeOf(source);
      if (size === undefined) continue;
      patterns += 1;
      // The text itself counts too: it must not be what makes up for copies.
      const steps = compileSteps(source) - source.length;
      if (steps < size) expect({ source, steps }).toEqual({ source, steps: size });
    }
    expect(patterns).toBeGreaterThan(1_000);
  });
});

function sizeOf(source: string): number | undefined {
  try {
    return RE2JS.compile(source).programSize();
  } catch {
    return undefined;
  }
}

/** Numbers below a bound, the same in each run. */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return (state >> 8) % below;
  };
}
