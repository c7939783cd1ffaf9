import { CertmillError } from '@certmill/domain';
import { observeStatus } from '@certmill/platform';
import type { ResponderCertifier } from '@certmill/ports';
import { openResponderPool, type ResponderPool } from '@certmill/signing';
import { ResponderFolder } from '@certmill/trust';
import { readSecret } from './config/secret-files.js';
import type { Trust } from './keys/trust-folder.js';
import type { ServiceContext } from './service-context.js';

const dayMs = 24 * 3_600_000;

/**
 * The responders of the configured folder, whose keys sign in worker threads; undefined where no folder
 * is configured. Without a certifier another process makes and renews them. It is stopped with the parts.
 */
export function openResponders(
  { config, clock, logger, metrics, parts }: ServiceContext,
  { authorities, catalogue }: Pick<Trust, 'authorities' | 'catalogue'>,
  certifier?: ResponderCertifier,
): ResponderPool | undefined {
  const { responders, responderPassphraseFile, responderDays } = config.ocsp;
  if (responders === undefined || responderPassphraseFile === undefined) return undefined;
  const observer = observeStatus(logger, metrics);
  const folder = new ResponderFolder({
    directory: responders,
    issuerOf: (name) => authorities.find(name),
    certifies: (name) => catalogue.find(name) !== undefined,
    readPassphrase: () =>
      Promise.resolve(readSecret('ocsp.responderPassphraseFile', responderPassphraseFile)),
    clock,
    lifeMs: responderDays * dayMs,
    ...(certifier === undefined ? {} : { certifier }),
    onRenewed: ({ issuer, notAfterMs }) =>
      logger.info({ issuer, until: new Date(notAfterMs) }, 'an OCSP responder was made'),
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
  return pool;
}

/** CONFIG_INVALID where the folder is not configured. */
export function respondersMissing(): CertmillError {
  return new CertmillError('CONFIG_INVALID', 'ocsp.responders is missing: nothing can be signed');
}
