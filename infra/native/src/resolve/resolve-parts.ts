import { CertmillError } from '@certmill/domain';
import type { ServerNeed, ServerOrigin, ServerPart, ServerSource } from './server-source.js';

export interface ResolvedServers {
  /** Addresses and files, to hand to the processes that use them; the names are in the README. */
  readonly environment: Readonly<Record<string, string>>;
  readonly origins: Readonly<Partial<Record<ServerNeed, ServerOrigin>>>;
  /** One line that says where each came from. */
  readonly message: string;
  /** Ends what was started, and nothing else. A second call waits for the first. */
  stop(): Promise<void>;
}

interface Found {
  readonly need: ServerNeed;
  readonly origin: ServerOrigin;
  readonly part: ServerPart;
}

const names = {
  kafka: 'Kafka',
  mongo: 'MongoDB',
  redis: 'Redis',
  softhsm: 'PKCS#11',
} as const satisfies Record<ServerNeed, string>;

const phrases = {
  environment: 'given',
  docker: 'in a container',
  native: 'started on this machine',
} as const satisfies Record<ServerOrigin, string>;

async function find(need: ServerNeed, sources: readonly ServerSource[]): Promise<Found> {
  for (const { origin, find: findPart } of sources) {
    const part = await findPart(need);
    if (part !== undefined) return { need, origin, part };
  }
  throw new CertmillError('CONFIG_INVALID', `there is no way to come to a ${names[need]} server`);
}

/** Finds each server by the first source that has it. All or none: where one fails, the others end. */
export async function resolveParts(
  needs: readonly ServerNeed[],
  sources: readonly ServerSource[],
): Promise<ResolvedServers> {
  const results = await Promise.allSettled([...new Set(needs)].map((need) => find(need, sources)));
  const found = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  let stopped: Promise<unknown> | undefined;
  const stop = async (): Promise<void> => {
    stopped ??= Promise.all(found.map(({ part }) => part.stop()));
    await stopped;
  };
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    environment: Object.assign({}, ...found.map(({ part }) => part.environment)) as Record<
      string,
      string
    >,
    origins: Object.fromEntries(found.map(({ need, origin }) => [need, origin])),
    message: `servers: ${found
      .map(({ need, origin }) => `${names[need]} ${phrases[origin]}`)
      .join(', ')}`,
    stop,
  };
}
