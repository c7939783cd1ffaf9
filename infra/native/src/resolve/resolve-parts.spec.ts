import { environmentSource } from './environment-source.js';
import { resolveParts } from './resolve-parts.js';
import type { ServerNeed, ServerOrigin, ServerSource } from './server-source.js';

interface FakeSource extends ServerSource {
  readonly asked: ServerNeed[];
  readonly stopped: ServerNeed[];
}

/** Has the servers of `has`; `fails` is one that it cannot start. */
function aSource(
  origin: ServerOrigin,
  { has = [] as readonly ServerNeed[], fails = undefined as ServerNeed | undefined } = {},
): FakeSource {
  const asked: ServerNeed[] = [];
  const stopped: ServerNeed[] = [];
  return {
    origin,
    asked,
    stopped,
    find: (need) => {
      asked.push(need);
      if (need === fails) return Promise.reject(new Error(`no ${need}`));
      if (!has.includes(need)) return Promise.resolve(undefined);
      const stop = (): Promise<void> => Promise.resolve(void stopped.push(need));
      return Promise.resolve({ environment: { [need]: origin }, stop });
    },
  };
}

test('each server comes from the first source that has it, and the message says which', async () => {
  const docker = aSource('docker', { has: ['mongo'] });
  const native = aSource('native', { has: ['kafka', 'mongo', 'redis', 'softhsm'] });
  const servers = await resolveParts(
    ['kafka', 'mongo', 'redis', 'redis'],
    [
      environmentSource({ KAFKA_BROKERS: 'a:1,b:2', REDIS_URL: '', PKCS11_MODULE: '/m.so' }),
      docker,
      native,
    ],
  );
  expect(servers.environment).toEqual({
    KAFKA_BROKERS: 'a:1,b:2',
    mongo: 'docker',
    redis: 'native',
  });
  expect(servers.origins).toEqual({ kafka: 'environment', mongo: 'docker', redis: 'native' });
  expect(servers.message).toBe(
    'servers: Kafka given, MongoDB in a container, Redis started on this machine',
  );
  expect(docker.asked).toEqual(['mongo', 'redis']);
  expect(native.asked).toEqual(['redis']);
});

test('a module that is given comes with all that is set for it', async () => {
  const variables = {
    PKCS11_MODULE: '/m.so',
    PKCS11_TOKEN_LABELS: 'a,b',
    PKCS11_PIN_FILE: '/pin',
    HOME: '/h',
  };
  const servers = await resolveParts(['softhsm'], [environmentSource(variables)]);
  expect(servers.environment).toEqual({
    PKCS11_MODULE: '/m.so',
    PKCS11_TOKEN_LABELS: 'a,b',
    PKCS11_PIN_FILE: '/pin',
  });
  expect(servers.message).toBe('servers: PKCS#11 given');
});

test('a PIN alone gives no module', async () => {
  await expect(
    resolveParts(['softhsm'], [environmentSource({ PKCS11_PIN_FILE: '/pin' })]),
  ).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('stop ends each server once', async () => {
  const native = aSource('native', { has: ['kafka', 'redis'] });
  const servers = await resolveParts(['kafka', 'redis'], [native]);
  expect(native.stopped).toEqual([]);
  await Promise.all([servers.stop(), servers.stop()]);
  expect(native.stopped).toEqual(['kafka', 'redis']);
});

test('where one server cannot be started those that were are ended', async () => {
  const docker = aSource('docker', { has: ['mongo'] });
  const native = aSource('native', { has: ['redis'], fails: 'kafka' });
  await expect(resolveParts(['mongo', 'kafka', 'redis'], [docker, native])).rejects.toThrow(
    'no kafka',
  );
  expect(docker.stopped).toEqual(['mongo']);
  expect(native.stopped).toEqual(['redis']);
});
