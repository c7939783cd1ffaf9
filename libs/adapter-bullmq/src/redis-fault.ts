import { CertmillError, isCertmillError, tlsRefusalOf } from '@certmill/domain';

/** The error code that a reply of Redis begins with: `WRONGPASS`, `OOM`, `READONLY`. */
const replyCode = /^([A-Z]{2,20}) /;
/** Replies that no repetition mends. */
const refusals: ReadonlySet<string> = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM']);

/**
 * The fault that an error of Redis or of BullMQ is; a CertmillError stays what it is. Of a reply only
 * its code is shown: the rest may name keys, users and hosts.
 */
export function redisFault(error: unknown, what: string): CertmillError {
  if (isCertmillError(error)) return error;
  if (isEndedElsewhere(error)) {
    const message = `cannot ${what}: the job has ended, or another worker has it`;
    return new CertmillError('FAULT_PROCESSING', message, { cause: error });
  }
  const refusal = tlsRefusalOf(error);
  if (refusal !== undefined) {
    const message = `cannot ${what}: Redis is not accepted: ${refusal}`;
    return new CertmillError('CONFIG_INVALID', message, { cause: error });
  }
  const code = replyCodeOf(error);
  if (code === undefined) {
    return new CertmillError('FAULT_BUS_DOWN', `cannot ${what}: Redis does not answer`, {
      cause: error,
    });
  }
  return new CertmillError(
    refusals.has(code) ? 'CONFIG_INVALID' : 'FAULT_BUS_DOWN',
    `cannot ${what}: Redis answers ${code}`,
    { cause: error },
  );
}

/** Whether Redis does not let this user in or do that, or one side does not take the other's certificate. */
export function isRefusal(error: unknown): boolean {
  return refusals.has(replyCodeOf(error) ?? '') || tlsRefusalOf(error) !== undefined;
}

/** BullMQ has negative numbers for what is wrong with the state of a job. */
function isEndedElsewhere(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return typeof error.code === 'number' && error.code < 0;
}

/** Not by `instanceof`: ioredis makes its errors in several places, and in other realms. */
function replyCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if (!('name' in error) || error.name !== 'ReplyError' || !('message' in error)) return undefined;
  return replyCode.exec(String(error.message))?.[1] ?? 'an error';
}
