import type { CertmillError } from '@certmill/domain';
import type { BuiltCrl, CrlGenerationOptions, CrlKind } from '@certmill/pipeline';
import type { CrlScope } from '@certmill/ports';
import { LineLimiter } from './line-limiter.js';
import type { createLogger } from './logger.js';
import type { Metrics } from './metrics.js';

/**
 * Makes metrics and log lines of what becomes of CRLs. One that will be tried again is a warning; that
 * it has failed for so long that it gets old is for the alert rules to say.
 */
export function observeCrls(
  logger: ReturnType<typeof createLogger>,
  metrics: Metrics,
): CrlGenerationOptions['observer'] {
  const limiter = new LineLimiter();
  return {
    built(crl: BuiltCrl, seconds: number) {
      metrics.crls.built(crl.kind, crl.entries, seconds);
      const { scope, kind, crlNumber, entries, bytes, stored, slot } = crl;
      const line = { ...scope, kind, crlNumber: String(crlNumber), entries, bytes, slot, seconds };
      logger.debug(line, stored ? 'CRL in force' : 'a later CRL is in force already');
    },
    failed(scope: CrlScope, kind: CrlKind, error: CertmillError) {
      metrics.crls.failed(kind, error.code);
      const passed = limiter.pass(`crl ${error.code}`);
      if (passed === undefined) return;
      const line = { ...scope, kind, code: error.code, err: error, ...passed };
      if (error.disposition === 'halt') logger.error(line, 'no CRL is made: a person must look');
      else logger.warn(line, 'CRL not made, it is tried again; the one before stays in force');
    },
    planFailed(error: unknown) {
      const passed = limiter.pass('crl plan');
      if (passed !== undefined) logger.warn({ err: error, ...passed }, 'CRLs are not planned');
    },
  };
}
