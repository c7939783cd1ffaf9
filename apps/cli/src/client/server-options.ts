import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import { formatDuration } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { HttpClient, type ServerAccess } from './http-client.js';
import { IssuanceClient } from './issuance-client.js';

const defaultServer = 'http://127.0.0.1:8460';

/** The options of every command that talks to a server. */
export interface ServerOptions {
  readonly server?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly patience: number;
}

/** @param patienceSeconds how long a server may be away without an own wish of the user. */
export function withServerOptions(command: Command, patienceSeconds = 5): Command {
  return withAccessOptions(
    command.option('--server <url>', `server (CERTMILL_SERVER; default ${defaultServer})`),
    patienceSeconds,
  );
}

/**
 * The same of commands that work in the data folder unless they are given a server: CERTMILL_SERVER, which
 * the shell may have for others, sends them nowhere.
 */
export function withServerInsteadOfFolder(command: Command): Command {
  return withAccessOptions(
    command.option('--server <url>', 'work at this server, not in the data folder'),
    5,
  );
}

function withAccessOptions(command: Command, patienceSeconds: number): Command {
  return command
    .option('--key-file <file>', 'API key (CERTMILL_API_KEY_FILE, CERTMILL_API_KEY)')
    .option('--ca-file <file>', 'CA of the server in PEM (CERTMILL_CA_FILE)')
    .option('--client-cert <file>', 'client certificate in PEM, with --client-key')
    .option('--client-key <file>', 'key of the client certificate in PEM')
    .option(
      '--patience <seconds>',
      'keep trying a server that is away or busy',
      parseSeconds,
      patienceSeconds,
    )
    .option('--json', 'print one JSON object');
}

/** Opens nothing yet: connections are made by the first call. CONFIG_INVALID names what is wrong. */
export function openClient(terminal: Terminal, options: ServerOptions): IssuanceClient {
  const http = new HttpClient(accessOf(terminal.env, options), {
    patienceMs: options.patience * 1000,
    signal: terminal.signal,
    onWait(error, waitMs) {
      const wait = formatDuration(waitMs / 1000);
      terminal.note(`${error.shownCode}: ${error.message}; trying again in ${wait}`);
    },
  });
  return new IssuanceClient(http);
}

function accessOf(env: Terminal['env'], options: ServerOptions): ServerAccess {
  const url = parseUrl(options.server ?? env['CERTMILL_SERVER'] ?? defaultServer);
  const apiKey = apiKeyOf(env, options.keyFile);
  if (apiKey !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `refusing to send an API key to ${url.origin} in the clear: use https://`,
    );
  }
  const caFile = options.caFile ?? env['CERTMILL_CA_FILE'];
  const { clientCert, clientKey } = options;
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new CertmillError('CONFIG_INVALID', '--client-cert and --client-key go together');
  }
  return {
    url,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(caFile === undefined ? {} : { ca: readFile('--ca-file', caFile) }),
    ...(clientCert === undefined || clientKey === undefined
      ? {}
      : {
          clientCertificate: {
            cert: readFile('--client-cert', clientCert),
            key: readFile('--client-key', clientKey),
          },
        }),
  };
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new CertmillError('CONFIG_INVALID', `the server '${text}' is not an http(s) URL`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new CertmillError('CONFIG_INVALID', 'the URL of the server takes no user or password');
  }
  return url;
}

/** The key itself is no option: command lines are seen by every user of a machine. */
function apiKeyOf(env: Terminal['env'], keyFile: string | undefined): string | undefined {
  const file = keyFile ?? env['CERTMILL_API_KEY_FILE'];
  const key = (
    file === undefined ? env['CERTMILL_API_KEY'] : readFile('key file', file).toString()
  )?.trim();
  if (key === undefined || key === '') {
    if (file === undefined) return undefined;
    throw new CertmillError('CONFIG_INVALID', `${file} holds no API key`);
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new CertmillError('CONFIG_INVALID', 'the API key has characters that no key has');
  }
  return key;
}

function readFile(what: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `${what}: cannot read ${file}`, { cause });
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);
}

function parseSeconds(text: string): number {
  if (!/^\d{1,6}(?:\.\d+)?$/.test(text)) throw new InvalidArgumentError('not a number of seconds');
  return Number(text);
}
