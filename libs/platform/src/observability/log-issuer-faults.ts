import type { CertmillError } from '@certmill/domain';
import type { Logger } from 'pino';

/** Logs what keeps a process from seeing an issuer as it is in its folder now: `IssuerCatalogue.tellFaults`. */
export function logIssuerFaults(logger: Logger): (error: CertmillError) => void {
  return (error) => {
    logger.error(
      { code: error.code, err: error },
      'the folder of an issuer, or of a CA above it, cannot be read as it is now',
    );
  };
}
