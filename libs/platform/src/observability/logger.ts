import { pino, type Logger } from 'pino';

export const loggerToken = Symbol('logger');

/** What must never be in a log line, wherever it stands. */
const redacted = [
  'authorization',
  'passphrase',
  'key',
  'csr',
  'secret',
  'req.headers.authorization',
  'headers.authorization',
  '*.authorization',
  '*.passphrase',
  '*.secret',
];

/** JSON lines on stderr: stdout belongs to the command. */
export function createLogger(level: string, service = 'certmill'): Logger {
  return pino(
    { level, base: { service }, redact: { paths: redacted, censor: '[redacted]' } },
    pino.destination({ dest: 2, sync: false }),
  );
}
