import { cp, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ServicePlan } from './service-maker.js';

/** What a fleet with a validation authority has of its own. */
export interface LocalAuthority {
  /** What `certmill ca init` is told, so that certificates name it. */
  readonly addresses: readonly string[];
  /** The fleet's plan with the role status, and with responders made by sign. */
  planOf(plan: readonly ServicePlan[]): readonly ServicePlan[];
  /** Gives status what everybody may have of the hierarchy, and the passphrase of responders. */
  prepare(trust: string): Promise<void>;
}

/** Certificates say one CRL, so that its address can be told beforehand. */
export const crlPath = '/crl/factory/0.crl';

/** In the folder of a fleet: its hierarchy without a key. */
export function publicTrustOf(folder: string): string {
  return join(folder, 'authority-trust');
}

/**
 * A validation authority on `port`: it signs OCSP answers while clients wait, with keys of responders that
 * sign has certified, and reaches no key of a CA and none of a hop.
 */
export function localAuthority(folder: string, port: number): LocalAuthority {
  const trust = publicTrustOf(folder);
  const responderPassphraseFile = join(folder, 'responder-passphrase');
  const ocsp = { responders: join(folder, 'responders'), responderPassphraseFile };
  const nothingSecret = {
    passphraseFile: undefined,
    hopKeys: undefined,
    manifestKeyFile: undefined,
    issuers: undefined,
  };
  return {
    addresses: ['--status-url', `http://127.0.0.1:${String(port)}`, '--crl-shards', '1'],
    planOf: (plan) => [
      ...plan.map((each) =>
        each.role === 'sign' ? { ...each, settings: { ...each.settings, ocsp } } : each,
      ),
      {
        role: 'status',
        lanes: ['bulk', 'interactive'],
        port,
        settings: { ...nothingSecret, trust, ocsp },
      },
    ],
    async prepare(from) {
      await writeFile(responderPassphraseFile, `${crypto.randomUUID()}\n`, { mode: 0o600 });
      await cp(from, trust, { recursive: true, filter: (file) => basename(file) !== 'key.pem' });
    },
  };
}
