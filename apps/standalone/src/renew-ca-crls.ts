import { setTimeout as delay } from 'node:timers/promises';
import { recordAudit } from '@certmill/pipeline';
import type { AuditStore, Clock, Stoppable } from '@certmill/ports';
import { dueCaCrls, issueCaCrl } from '@certmill/trust';
import { quorumOnceSeen } from './quorum-once-seen.js';

/** A CRL of CA certificates lives for days at least: a look an hour is in time. */
const betweenLooksMs = 3_600_000;

export interface CaCrlRenewal {
  /** The data folder. */
  readonly directory: string;
  readonly readPassphrase: () => Promise<string>;
  readonly audit: Pick<AuditStore, 'appendAudit'>;
  readonly clock: Clock;
  readonly onMade: (made: { readonly ca: string; readonly nextUpdate: string }) => void;
  /** @param ca absent where the folder could not be read. */
  readonly onFault: (error: unknown, ca?: string) => void;
}

/**
 * Makes the CRLs of CA certificates that are due in a data folder, now and while the server runs: of CAs
 * whose key lies in a file of the folder. None where a quorum guards the folder: the alert tells people
 * then, as of keys that are elsewhere or in a token. What fails is tried again at the next look.
 */
export function renewCaCrls(renewal: CaCrlRenewal): Stoppable {
  const stopping = new AbortController();
  const running = look(renewal, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function look(renewal: CaCrlRenewal, signal: AbortSignal): Promise<void> {
  const hasQuorum = quorumOnceSeen(renewal.directory);
  while (!signal.aborted) {
    try {
      if (!hasQuorum()) await makeDue(renewal, signal);
    } catch (error) {
      renewal.onFault(error);
    }
    await delay(betweenLooksMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function makeDue(renewal: CaCrlRenewal, signal: AbortSignal): Promise<void> {
  const { directory, clock, audit } = renewal;
  for (const { ca, validitySeconds } of await dueCaCrls(directory, clock.nowMs())) {
    if (signal.aborted) return;
    const { name } = ca;
    try {
      const place = { directory, name, passphrase: await renewal.readPassphrase() };
      const crl = await issueCaCrl(place, validitySeconds, clock.nowMs());
      const nextUpdate = new Date(crl.nextUpdateMs).toISOString();
      renewal.onMade({ ca: name, nextUpdate });
      const { crlNumber, entries } = crl;
      const detail = { name, crlNumber: String(crlNumber), entries, nextUpdate };
      await recordAudit({ audit, clock }, { actor: 'certmill', action: 'ca.crl.made', detail });
    } catch (error) {
      renewal.onFault(error, name);
    }
  }
}
