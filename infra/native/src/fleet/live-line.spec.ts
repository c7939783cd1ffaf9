import { PassThrough } from 'node:stream';
import { LiveLine } from './live-line.js';

function aScreen(terminal?: { readonly columns: number }) {
  const output = new PassThrough({ encoding: 'utf8' });
  const line = new LiveLine(Object.assign(output, terminal && { isTTY: true, ...terminal }));
  return { line, written: () => output.read() as string };
}

test('on a terminal the line is rewritten, and stays below what is said', () => {
  const { line, written } = aScreen({ columns: 10 });
  line.update('0123456789');
  line.say('news');
  line.clear();
  line.say('end');
  expect(written().split('\u001b[2K')).toEqual(['\r', '012345678\r', 'news\n012345678\r', 'end\n']);
});

test('elsewhere there are whole lines and nothing else', () => {
  const { line, written } = aScreen();
  line.update('0123456789'.repeat(20));
  line.clear();
  line.say('news');
  expect(written()).toBe(`${'0123456789'.repeat(20)}\nnews\n`);
});
