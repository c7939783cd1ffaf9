import {
  createHierarchy,
  developmentPassphraseFileOf,
  findPassphrase,
  loadIssuers,
  readPassphrase,
} from '@certmill/trust';
import type { Terminal } from './terminal/terminal.js';

/** The issuing CA that a first run makes. */
export const developmentIssuer = 'issuing';

/** Makes a development hierarchy where the data folder has no issuer yet. */
export async function ensureHierarchy(terminal: Terminal, dataDirectory: string): Promise<void> {
  if ((await loadIssuers(dataDirectory)).length > 0) return;
  await createHierarchy({
    name: developmentIssuer,
    directory: dataDirectory,
    passphrase: await passphraseOf(terminal, dataDirectory),
    organization: 'Certmill development',
    nowMs: Date.now(),
  });
  terminal.note(`made a root and the issuing CA '${developmentIssuer}' in ${dataDirectory}/ca`);
}

/** The passphrase of a data folder's CA keys; the first time, with a warning, one for development. */
export async function passphraseOf(terminal: Terminal, dataDirectory: string): Promise<string> {
  const source = await findPassphrase({
    environment: terminal.env,
    developmentFile: developmentPassphraseFileOf(dataDirectory),
    createDevelopmentFile: true,
    warn: (message) => terminal.note(terminal.styleNote('yellow', message)),
  });
  return readPassphrase(source, terminal.env);
}
