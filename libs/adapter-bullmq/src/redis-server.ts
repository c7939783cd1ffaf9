import { CertmillError } from '@certmill/domain';

/** Where Redis is, and as whom to come. What is given apart wins over what the URL says. */
export interface RedisServer {
  /** `redis://host:port/database`, with TLS `rediss://...`. */
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
  /** TLS where it is there: PEM of the CAs to trust, and of the client's certificate and key. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
  };
}

/** As ioredis takes it. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: NonNullable<RedisServer['tls']>;
}

const defaultPort = 6379;

/** The address and the credentials; CONFIG_INVALID, without showing the URL, where it has none. */
export function redisAddress(server: RedisServer): RedisAddress {
  const url = server.url === undefined ? {} : partsOf(server.url);
  const merged = { ...url, ...defined(server) };
  if (merged.host === undefined || merged.host === '') {
    throw new CertmillError('CONFIG_INVALID', 'Redis needs a url or a host');
  }
  return {
    host: merged.host,
    port: merged.port ?? defaultPort,
    db: merged.database ?? 0,
    ...(merged.username === undefined ? {} : { username: merged.username }),
    ...(merged.password === undefined ? {} : { password: merged.password }),
    ...(merged.tls === undefined ? {} : { tls: merged.tls }),
  };
}

function partsOf(text: string): RedisServer {
  const url = URL.parse(text);
  if (url === null || !['redis:', 'rediss:'].includes(url.protocol)) {
    throw new CertmillError('CONFIG_INVALID', 'the URL of Redis is not redis:// or rediss://');
  }
  const database = url.pathname.replace(/^\//, '');
  if (!/^[0-9]*$/.test(database)) {
    throw new CertmillError('CONFIG_INVALID', 'the path of the URL of Redis is no database number');
  }
  return {
    // An IPv6 address stands in brackets in a URL, and without them in a socket's options.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(url.username === '' ? {} : { username: decoded(url.username) }),
    ...(url.password === '' ? {} : { password: decoded(url.password) }),
    ...(database === '' ? {} : { database: Number(database) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    const message = 'the credentials in the URL of Redis are not percent-encoded';
    throw new CertmillError('CONFIG_INVALID', message, { cause });
  }
}

/** Without the members that are there but undefined. */
function defined(server: RedisServer): RedisServer {
  return Object.fromEntries(Object.entries(server).filter(([, value]) => value !== undefined));
}
