import { jest } from '@jest/globals';
import { RE2JS } from 're2js';
import { CertmillError } from '../faults.js';
import { ValuePattern } from './value-pattern.js';

describe('a pattern of a profile', () => {
  it.each([
    ['a|b', 'b', 'ab'],
    ['S4-[0-9]{8}', 'S4-00000017', 'S4-000000171'],
    ['[\\p{L} ]+\\d', 'Grüße an alle 7', '7 Grüße'],
    ['^[0-9A-F]{4}$', '00FF', '00FF\n'],
    ['|x', '', 'y'],
  ])('is of the whole value: %s', (source, good, bad) => {
    const pattern = new ValuePattern(source);
    expect([pattern.matches(good), pattern.matches(bad)]).toEqual([true, false]);
  });

  // Those that make a matcher which backtracks try every way through the value.
  it.each([
    ['(a+)+b', 'a'],
    ['(?:q|z|qz)+x', 'qz'],
    ['(?:(?:qz)+)+x', 'qz'],
    ['(x+x+)+y', 'x'],
    ['(?:.*a){20}b', 'a'],
    ['(?:a|b)*a(?:a|b){400}', 'ab'],
  ])('is matched in time linear in the value, whatever both are: %s', (source, part) => {
    const pattern = new ValuePattern(source);
    const begun = performance.now();
    expect(pattern.matches(`${part.repeat(16_000)}c`)).toBe(false);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  it('is no one-pass program, which takes time cubic in the pattern to make', () => {
    const compile = jest.spyOn(RE2JS, 'compile');
    const pattern = new ValuePattern('^(?:a?b?c?)$');
    const compiled = compile.mock.results[0]?.value as { re2(): { onepass: unknown } };
    compile.mockRestore();
    expect(compiled.re2().onepass).toBeNull();
    expect(pattern.matches('ac')).toBe(true);
  });

  it.each(['a)(b', '(a'])('is told as it was written where it is none: %s', (source) => {
    expect(() => new ValuePattern(source)).toThrow(`\`${source}\``);
  });

  it.each(['(a)\\1', '(?=a)b', '(?<=a)b', '[A-Z', 'a{1001}', '((a{0,100}){0,100}){0,100}'])(
    'that is none of RE2 is refused: %s',
    (source) => {
      expect(() => new ValuePattern(source)).toThrow(CertmillError);
      expect(() => new ValuePattern(source)).toThrow(/^not a regular expression of RE2: /);
    },
  );
});
