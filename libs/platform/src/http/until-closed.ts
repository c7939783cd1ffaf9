import { CertmillError } from '@certmill/domain';
import type { FastifyReply } from 'fastify';

/** Holds a place until the answer has ended or the client hung up; aborts then. */
export function untilClosed({ raw }: FastifyReply, place: Disposable): AbortSignal {
  const gone = new AbortController();
  const end = (): void => {
    place[Symbol.dispose]();
    gone.abort(new CertmillError('INVALID_INPUT', 'the client hung up before the answer'));
  };
  if (raw.closed) end();
  else raw.once('close', end);
  return gone.signal;
}
