import { planOf, readFleetOptions } from './fleet-options.js';

const read = (text: string) => readFleetOptions(text === '' ? [] : text.split(' '));

test('nothing said: one broker, one process of each kind, the usual port', () => {
  expect(read('')).toEqual({
    brokers: 1,
    validate: 1,
    sign: 1,
    port: 8460,
    statusPort: 8462,
    keep: undefined,
    showsKey: false,
  });
});

test('everything said', () => {
  expect(
    read('--brokers 3 --validate 2 --sign 4 --port 9000 --status-port 9001 --keep f --show-key'),
  ).toEqual({
    brokers: 3,
    validate: 2,
    sign: 4,
    port: 9000,
    statusPort: 9001,
    keep: 'f',
    showsKey: true,
  });
});

test('more processes are for bulk; the interactive lane keeps its own', () => {
  const counts = planOf({ validate: 2, sign: 3 }).map(({ role, lanes, count = 1 }) => {
    return [role, lanes.join(' '), count];
  });
  expect(counts).toEqual([
    ['ingest', 'bulk interactive', 1],
    ['validate', 'bulk', 2],
    ['validate', 'interactive', 1],
    ['sign', 'bulk', 3],
    ['sign', 'interactive', 1],
    ['publish', 'bulk', 1],
    ['publish', 'interactive', 1],
  ]);
});

test.each([
  '--brokers 2',
  '--brokers 5',
  '--sign 0',
  '--sign 1.5',
  '--validate many',
  '--port 65536',
  '--status-port 0',
  '--port 8462',
  '--unknown',
  'extra',
])('%s is refused', (text) => {
  let code: unknown;
  try {
    read(text);
  } catch (error) {
    ({ code } = error as { code: unknown });
  }
  expect(code).toBe('CONFIG_INVALID');
});
