import type { ServerNeed, ServerSource } from './server-source.js';

/** The first variable says that a server is given; the others go along where they are set. */
export const serverVariables = {
  kafka: ['KAFKA_BROKERS'],
  mongo: ['MONGODB_URI'],
  redis: ['REDIS_URL'],
  softhsm: [
    ...['PKCS11_MODULE', 'PKCS11_TOKEN_LABELS', 'PKCS11_PIN_FILE', 'SOFTHSM2_CONF'],
    ...['SOFTHSM2_UTIL', 'LD_LIBRARY_PATH'],
  ],
} as const satisfies Record<ServerNeed, readonly [string, ...string[]]>;

/** Servers that somebody else runs. */
export function environmentSource(variables: NodeJS.ProcessEnv): ServerSource {
  return {
    origin: 'environment',
    find: (need) => {
      const given = serverVariables[need]
        .map((name) => [name, variables[name] ?? ''] as const)
        .filter(([, value]) => value !== '');
      const isGiven = given[0]?.[0] === serverVariables[need][0];
      return Promise.resolve(
        isGiven
          ? { environment: Object.fromEntries(given), stop: () => Promise.resolve() }
          : undefined,
      );
    },
  };
}
