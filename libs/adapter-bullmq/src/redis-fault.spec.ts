import { CertmillError } from '@certmill/domain';
import { redisFault } from './redis-fault.js';

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

describe('the fault of an error of Redis', () => {
  test.each([
    [new Error('connect ECONNREFUSED 10.0.0.1:6379'), 'FAULT_BUS_DOWN', 'does not answer'],
    [new Error('Command timed out'), 'FAULT_BUS_DOWN', 'does not answer'],
    ['no error at all', 'FAULT_BUS_DOWN', 'does not answer'],
    [Object.assign(new Error('Missing lock'), { code: -2 }), 'FAULT_PROCESSING', 'another worker'],
    [reply("OOM command not allowed when used memory > 'maxmemory'"), 'FAULT_BUS_DOWN', 'OOM'],
    [reply('READONLY You cannot write against a replica'), 'FAULT_BUS_DOWN', 'READONLY'],
    [reply('user secret is unknown'), 'FAULT_BUS_DOWN', 'an error'],
    [reply('WRONGPASS invalid username-password pair'), 'CONFIG_INVALID', 'WRONGPASS'],
    [
      Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }),
      'CONFIG_INVALID',
      'Redis is not accepted: its certificate has expired',
    ],
    [reply('NOPERM this user has no permissions'), 'CONFIG_INVALID', 'NOPERM'],
  ])('%s', (error, code, words) => {
    const fault = redisFault(error, 'add a job');
    expect(fault.code).toBe(code);
    expect(fault.message).toContain('cannot add a job: ');
    expect(fault.message).toContain(words);
    expect(fault.message).not.toMatch(/10\.0\.0\.1|secret|username|memory|replica/);
    expect(fault.cause).toBe(error);
  });

  test('a CertmillError stays what it is', () => {
    const fault = new CertmillError('FAULT_STOPPING', 'stopping');
    expect(redisFault(fault, 'add a job')).toBe(fault);
  });
});
