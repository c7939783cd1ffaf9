import { readOptions } from './options.js';
import { sizeOf } from './scenarios.js';

const read = (text: string, env: NodeJS.ProcessEnv = {}) =>
  readOptions(text === '' ? [] : text.split(' '), env);

describe('the command line of the load test', () => {
  test('nothing said: the usual scenarios against a server of its own', () => {
    expect(read('')).toMatchObject({
      scenarios: ['bulk', 'interactive', 'mixed', 'spike'],
      isShort: false,
      isFleet: false,
      server: undefined,
      changes: {},
    });
  });

  test('short: all of them', () => {
    expect(read('--short').scenarios).toEqual(['bulk', 'interactive', 'mixed', 'spike', 'soak']);
  });

  test('a scenario with its size, and a server that is there', () => {
    const options = read('bulk --size 20000 --tenants 2 --warm-up 0 --url http://h:1', {
      CERTMILL_API_KEY: 'cm_k',
    });
    expect(options).toMatchObject({
      scenarios: ['bulk'],
      changes: { size: 20_000, tenants: 2, warmUp: 0 },
      server: { url: 'http://h:1', key: 'cm_k' },
    });
  });

  test('a fleet', () => {
    expect(read('bulk --fleet --short')).toMatchObject({ isFleet: true, server: undefined });
  });

  test('an option changes what a scenario has, and gives it nothing new', () => {
    const { changes } = read('--size 500 --rate 7');
    expect(sizeOf('bulk', false, changes)).toMatchObject({ size: 500, rate: 0 });
    expect(sizeOf('interactive', true, changes)).toMatchObject({ size: 0, rate: 7 });
  });

  test.each([
    'bulky',
    '--size 0',
    '--size 1.5',
    '--rate fast',
    '--unknown',
    '--url http://h:1',
    '--warm-up -1',
    '--fleet --url http://h:1 --key cm_k',
  ])('%s is refused', (text) => {
    let code: unknown;
    try {
      read(text);
    } catch (error) {
      ({ code } = error as { code: unknown });
    }
    expect(code).toBe('CONFIG_INVALID');
  });
});
