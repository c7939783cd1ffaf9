import type { Logger } from 'pino';

/** As many reasons as a person reads. */
const maxTold = 10;

/**
 * Warns where a process begins, or goes on, with issuers of which none takes uploads: it is ready all the same, for the
 * status of what they issued is told.
 * @param reasons of each issuer, see `whyNoneIssues`; empty where one takes them.
 */
export function warnWhereNoneIssues(
  logger: Pick<Logger, 'warn'>,
  reasons: readonly string[],
): void {
  if (reasons.length === 0) return;
  logger.warn(
    { issuers: reasons.length, reasons: reasons.slice(0, maxTold) },
    'no issuer takes uploads: nothing is issued; CRLs, OCSP and downloads go on',
  );
}
