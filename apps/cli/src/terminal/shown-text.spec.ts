import { PassThrough } from 'node:stream';
import { shownJson, shownText } from './shown-text.js';
import { Terminal } from './terminal.js';

describe('text that people see', () => {
  it.each([
    ['a name that is turned round', 'CN=\u202egnp.exe', 'CN=\\u202egnp.exe'],
    ['what isolates or marks', '\u2066a\u2069\u200f\u061c', '\\u2066a\\u2069\\u200f\\u061c'],
    ['what takes no room', 'a\u200bb\u00adc\ufeff', 'a\\u200bb\\u00adc\\ufeff'],
    ['a tag outside the first plane', 'a\u{e0041}', 'a\\udb40\\udc41'],
    [
      'what moves the cursor or clears',
      'a\x1b[2Kb\x1b]0;t\x07\rc\x9b1A',
      'a\\u001b[2Kb\\u001b]0;t\\u0007\\u000dc\\u009b1A',
    ],
  ])('shows %s', (_, text, shown) => {
    expect(shownText(text)).toBe(shown);
    expect(JSON.parse(shownJson(JSON.stringify({ text })))).toEqual({ text });
    expect(shownJson(JSON.stringify({ text }))).not.toMatch(/\p{Cf}|[\x00-\x1f\x7f-\x9f]/u);
  });

  it('keeps styles, lines, tabs and letters of all scripts', () => {
    const text = '\x1b[31;1merror\x1b[39m\n\tGerät 設備 שלום';
    expect(shownText(text)).toBe(text);
  });

  it('is what a terminal writes, as lines and as JSON', () => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const surroundings = { stdin: new PassThrough(), stdout, stderr, env: {} };
    const terminal = new Terminal(surroundings, new AbortController().signal);
    terminal.say('say \u202e');
    terminal.note('note \u202e');
    terminal.useJson();
    terminal.report({ name: '\u202e' }, []);
    expect(String(stdout.read())).toBe('say \\u202e\n{"name":"\\u202e"}\n');
    expect(String(stderr.read())).toBe('note \\u202e\n');
  });
});
