import { CertmillError } from '@certmill/domain';
import { repeat } from '@certmill/pipeline';
import { observeStatus } from '@certmill/platform';
import type { AuditStore, ResponderCertifier, Stoppable } from '@certmill/ports';
import { openResponderPool, type ResponderPool } from '@certmill/signing';
import { ResponderFolder } from '@certmill/trust';
import { readSecret } from './config/secret-files.js';
import type { Trust } from './keys/trust-folder.js';
import type { ServiceContext } from './service-context.js';

const dayMs = 24 * 3_600_000;
/** Between two looks at whose responder is to be made or renewed. */
const keepEveryMs = 60_000;

/** Those of a folder, and the threads that sign with their keys. */
export interface Responders {
  readonly folder: ResponderFolder;
  readonly pool: ResponderPool;
}

/**
 * The responders of the configured folder, whose keys sign in worker threads; undefined where no folder
 * is configured. Without a certifier another process makes and renews them. It is stopped with the parts.
 */
export function openResponders(
  { config, clock, logger, metrics, parts }: ServiceContext,
  { authorities, catalogue }: Pick<Trust, 'authorities' | 'catalogue'>,
  audit: Pick<AuditStore, 'appendAudit'>,
  certifier?: ResponderCertifier,
): Responders | undefined {
  const { responders, responderPassphraseFile, responderDays } = config.ocsp;
  if (responders === undefined || responderPassphraseFile === undefined) return undefined;
  const observer = observeStatus(logger, metrics);
  const folder = new ResponderFolder({
    directory: responders,
    issuerOf: (name) => authorities.find(name),
    certifies: (name) => catalogue.find(name) !== undefined,
    readPassphrase: () =>
      Promise.resolve(readSecret('ocsp.responderPassphraseFile', responderPassphraseFile)),
    audit: {
      async appendAudit(entry) {
        const chained = await audit.appendAudit(entry);
        logger.info(entry.detail, 'an OCSP responder was certified');
        return chained;
      },
    },
    clock,
    lifeMs: responderDays * dayMs,
    ...(certifier === undefined ? {} : { certifier }),
    onFault: (_issuer, error) => observer.fault(error),
  });
  metrics.trust.ends('responder', () => folder.firstOverdueEndMs());
  const pool = openResponderPool({
    threads: 1,
    async responderOf(name) {
      const issuer = authorities.find(name);
      const responder = await folder.responderOf(name);
      if (issuer === undefined || responder === undefined) return undefined;
      const { subjectDer, spkiDer } = issuer;
      const passphrase = { file: responderPassphraseFile };
      return { ...responder, subjectDer, spkiDer, passphrase };
    },
  });
  parts.push(pool);
  return { folder, pool };
}

/**
 * Looks after the responders of issuers whose certificates say where to ask, until stopped. Sign makes and renews them so;
 * a status, which only reads them, learns when one ends that nobody has renewed.
 */
export function keepResponders(
  { logger, metrics }: ServiceContext,
  { catalogue }: Pick<Trust, 'catalogue'>,
  folder: Pick<ResponderFolder, 'responderOf'>,
): Stoppable {
  const observer = observeStatus(logger, metrics);
  let isStopped = false;
  const keep = async (): Promise<void> => {
    for (const { name } of catalogue.all) {
      if (isStopped) return;
      if (catalogue.find(name)?.status === undefined) continue;
      await folder.responderOf(name).catch((error: unknown) => observer.fault(error));
    }
  };
  const stop = repeat(keep, keepEveryMs, (error) => observer.fault(error));
  return {
    async stop() {
      isStopped = true;
      await stop();
    },
  };
}

/** CONFIG_INVALID where the folder is not configured. */
export function respondersMissing(): CertmillError {
  return new CertmillError('CONFIG_INVALID', 'ocsp.responders is missing: nothing can be signed');
}
