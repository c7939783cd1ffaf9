import { CertmillError } from '@certmill/domain';
import { checkServer } from './check-server.js';

function info(changes: Record<string, string> = {}): string {
  const values = {
    redis_version: '7.0.15',
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
    ...changes,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');
}

describe('the check of the server', () => {
  test('a server as it should be', () => {
    expect(checkServer(info())).toEqual({ keepsKeys: true, warnings: [] });
  });

  test('one that drops keys is warned of', () => {
    const { keepsKeys, warnings } = checkServer(info({ maxmemory_policy: 'allkeys-lru' }));
    expect(keepsKeys).toBe(false);
    expect(warnings).toEqual([expect.objectContaining({ code: 'CONFIG_INVALID' })]);
    expect(warnings[0]?.message).toContain('noeviction');
  });

  test('one without an append-only file is warned of', () => {
    const { warnings } = checkServer(info({ aof_enabled: '0' }));
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('append-only'),
    ]);
  });

  test.each(['5.0.14', '6.0.20', 'unknown'])('version %s is refused', (version) => {
    const check = (): unknown => checkServer(info({ redis_version: version }));
    expect(check).toThrow(CertmillError);
  });

  test.each(['6.2.0', '7.4.1', '10.0.0'])('version %s is taken', (version) => {
    expect(checkServer(info({ redis_version: version })).keepsKeys).toBe(true);
  });
});
