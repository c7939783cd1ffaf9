export type ServerNeed = 'kafka' | 'mongo' | 'redis' | 'softhsm';
export type ServerOrigin = 'environment' | 'docker' | 'native';

/** One server that can be reached. */
export interface ServerPart {
  /** What a process needs to use it; the names are in the README. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends it where it was started for this; a server that was given is left alone. */
  readonly stop: () => Promise<void>;
}

/** A way to come to servers. */
export interface ServerSource {
  readonly origin: ServerOrigin;
  /** Undefined where this way does not lead to that server: the next one is asked. */
  readonly find: (need: ServerNeed) => Promise<ServerPart | undefined>;
}
