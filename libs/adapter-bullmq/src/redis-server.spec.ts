import { redisAddress, type RedisServer } from './redis-server.js';

describe('where Redis is', () => {
  test.each<[string, RedisServer, object]>([
    ['a host', { host: 'redis' }, { host: 'redis', port: 6379, db: 0 }],
    ['a URL', { url: 'redis://redis:6380/2' }, { host: 'redis', port: 6380, db: 2 }],
    [
      'credentials in the URL',
      { url: 'redis://jobs:p%40ss@redis' },
      { host: 'redis', port: 6379, db: 0, username: 'jobs', password: 'p@ss' },
    ],
    [
      'a password beside the URL wins',
      { url: 'redis://jobs:old@redis', password: 'new' },
      { host: 'redis', port: 6379, db: 0, username: 'jobs', password: 'new' },
    ],
    ['TLS by the URL', { url: 'rediss://redis' }, { host: 'redis', port: 6379, db: 0, tls: {} }],
    [
      'TLS with a CA',
      { url: 'rediss://[::1]:6390', tls: { ca: 'PEM' } },
      { host: '::1', port: 6390, db: 0, tls: { ca: 'PEM' } },
    ],
  ])('%s', (_, server, address) => {
    expect(redisAddress(server)).toEqual(address);
  });

  test.each<[string, RedisServer]>([
    ['nothing', {}],
    ['an empty host', { host: '' }],
    ['another scheme', { url: 'http://:secret@redis' }],
    ['no URL', { url: 'secret' }],
    ['a path', { url: 'redis://:secret@redis/jobs' }],
    ['a bad escape', { url: 'redis://:secret%zz@redis' }],
  ])('%s is refused, without showing it', (_, server) => {
    let fault: unknown;
    try {
      redisAddress(server);
    } catch (error) {
      fault = error;
    }
    expect(fault).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(String(fault)).not.toContain('secret');
  });
});
