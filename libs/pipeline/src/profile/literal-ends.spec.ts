import { literalEndsOf } from './literal-ends.js';

describe('literalEndsOf', () => {
  it.each([
    ['abc', 'abc', 'abc'],
    ['[a-z0-9-]+\\.example\\.com', '', '.example.com'],
    ['gw-\\d{4}\\.example\\.com', 'gw-', '.example.com'],
    ['https://example\\.com/d/[a-z]+', 'https://example.com/d/', ''],
    ['ab?c', 'a', 'c'],
    ['abc+', 'ab', ''],
    ['a{2}b', '', 'b'],
    ['(?:x|y)z', '', 'z'],
    ['([)]|\\))z', '', 'z'],
    ['^a.b$', 'a', 'b'],
    ['a|b', '', ''],
    ['x\\.com|y\\.com', '', ''],
    ['\\x41bc', '', ''],
    ['\\p{L}bc', '', ''],
    ['(a)\\1bc', '', ''],
    ['', '', ''],
    ['(unclosed', '', ''],
  ])('of %j are %j and %j', (source, prefix, suffix) => {
    expect(literalEndsOf(source)).toEqual({ prefix, suffix });
  });
});
