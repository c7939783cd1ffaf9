import { CertmillError } from '@certmill/domain';
import { ServerError, type RetryRule } from './server-error.js';

/** Errors of the network by their code: whether the call cannot have reached the server. */
const networkErrors: Readonly<Record<string, readonly [RetryRule, string]>> = {
  ECONNREFUSED: ['always', 'nothing listens there'],
  EHOSTUNREACH: ['always', 'the host cannot be reached'],
  ENETUNREACH: ['always', 'the network cannot be reached'],
  EAI_AGAIN: ['always', 'its name cannot be resolved now'],
  ENOTFOUND: ['never', 'there is no host of this name'],
  ECONNRESET: ['repeatable', 'the connection broke'],
  EPIPE: ['repeatable', 'the connection broke'],
  ETIMEDOUT: ['repeatable', 'it did not answer in time'],
  HPE_INVALID_CONSTANT: ['never', 'it does not speak HTTP'],
  EPROTO: ['never', 'it does not speak TLS; is it http:// instead of https://?'],
};

/** What an error of node:http means for the call; errors of our own side pass as they are. */
export function connectionError(error: unknown, origin: string): unknown {
  if (!(error instanceof Error) || error.name === 'AbortError') return stopOr(error);
  if (error instanceof CertmillError) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = networkErrors[code];
  if (known !== undefined) {
    return new ServerError({
      shownCode: 'SERVER_UNREACHABLE',
      message: `${origin}: ${known[1]} (${code})`,
      retry: known[0],
      cause: error,
    });
  }
  if (!/CERT|TLS|SSL|SELF_SIGNED|ALTNAME/.test(code)) return error;
  return new ServerError({
    shownCode: 'SERVER_UNTRUSTED',
    message: `${origin}: its certificate is not trusted (${code}); give its CA with --ca-file`,
    retry: 'never',
    cause: error,
  });
}

function stopOr(error: unknown): unknown {
  const isAbort = error instanceof Error && error.name === 'AbortError';
  return isAbort ? new CertmillError('FAULT_STOPPING', 'stopped', { cause: error }) : error;
}
