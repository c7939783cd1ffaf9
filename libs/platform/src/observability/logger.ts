import { once } from 'node:events';
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

/** Of this process; lines wait in them while one is written. */
const destinations = new Set<ReturnType<typeof pino.destination>>();

/** JSON lines on stderr: stdout belongs to the command. */
export function createLogger(level: string, service = 'certmill'): Logger {
  const destination = pino.destination({ dest: 2, sync: false });
  destinations.add(destination);
  return pino(
    { level, base: { service }, redact: { paths: redacted, censor: '[redacted]' } },
    destination,
  );
}

/**
 * Writes all that was logged, for a process that ends without a turn of its event loop. Nothing may be
 * logged after it has resolved.
 */
export async function closeLoggers(): Promise<void> {
  const closing = [...destinations].map((destination) => {
    const closed = once(destination, 'close');
    destination.end();
    return closed;
  });
  destinations.clear();
  await Promise.all(closing);
}
