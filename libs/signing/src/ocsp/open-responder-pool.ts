import { CertmillError } from '@certmill/domain';
import type { OcspPresigner, OcspResponder, OcspSigner, Stoppable } from '@certmill/ports';
import { TaskPool, type PackedTask } from '../worker-pool/task-pool.js';
import { errorOfFault } from '../worker-pool/worker-fault.js';
import type { AnswerTask, OcspReply, ResponderKey, ResponsesTask } from './ocsp-messages.js';

/** A responder with its key, and what CertIDs of its issuer are made of. */
export interface KeyedResponder extends OcspResponder, ResponderKey {
  readonly subjectDer: Uint8Array;
  readonly spkiDer: Uint8Array;
}

export interface ResponderPoolOptions {
  /** The responder in force for an issuer; undefined where there is none. Asked for each task. */
  readonly responderOf: (issuer: string) => Promise<KeyedResponder | undefined>;
  /** Of each kind: answers never wait behind responses that are signed ahead. */
  readonly threads: number;
  /** Tasks that may wait of each kind; 1,024 where absent. */
  readonly maxQueue?: number;
}

export type ResponderPool = OcspSigner & OcspPresigner & Stoppable;

const workerFile = new URL('./ocsp.worker.js', import.meta.url);
const taskTimeoutMs = 30_000;

/** Signs with the keys of responders in worker threads; no issuer's key ever comes here. */
export function openResponderPool(options: ResponderPoolOptions): ResponderPool {
  const poolOf = (lane: 'bulk' | 'interactive'): TaskPool =>
    new TaskPool({
      workerFile,
      workerData: undefined,
      threads: options.threads,
      lane,
      maxQueue: options.maxQueue ?? 1_024,
      taskTimeoutMs,
    });
  // Opened by its first task: few installations sign both ahead and while clients wait.
  const pools: Partial<Record<'bulk' | 'interactive', TaskPool>> = {};
  let isStopped = false;
  const pool = (lane: 'bulk' | 'interactive'): TaskPool => {
    if (isStopped) throw new CertmillError('FAULT_STOPPING', 'the OCSP responder is stopping');
    return (pools[lane] ??= poolOf(lane));
  };
  return {
    async signAnswer(issuer, answer) {
      const responder = await options.responderOf(issuer);
      if (responder === undefined) return undefined;
      const message: AnswerTask = { key: keyOf(responder), answer: copied(answer) };
      const [basic] = await run(pool('interactive'), 'signAnswer', message);
      return basic;
    },
    async signResponses(issuer, responses) {
      const responder = await options.responderOf(issuer);
      if (responder === undefined) return undefined;
      const { id, certificateDer, notAfterMs, subjectDer, spkiDer } = responder;
      const message: ResponsesTask = {
        key: keyOf(responder),
        issuer: { subjectDer: Uint8Array.from(subjectDer), spkiDer: Uint8Array.from(spkiDer) },
        responses: {
          ...responses,
          statuses: responses.statuses.map((status) => ({
            ...status,
            serialNumber: Uint8Array.from(status.serialNumber),
          })),
        },
      };
      const pairs = await run(pool('bulk'), 'signResponses', message);
      return { pairs, responder: { id, issuer, certificateDer, notAfterMs } };
    },
    async stop(timeoutMs) {
      isStopped = true;
      await Promise.all(Object.values(pools).map((open) => open.stop(timeoutMs)));
    },
  };
}

function keyOf({ id, certificateDer, encryptedKeyPem, passphrase }: KeyedResponder): ResponderKey {
  return { id, certificateDer: Uint8Array.from(certificateDer), encryptedKeyPem, passphrase };
}

/** A clone of a view takes the whole buffer behind it along. */
function copied(answer: AnswerTask['answer']): AnswerTask['answer'] {
  return {
    ...answer,
    responses: answer.responses.map((response) => ({
      ...response,
      certIdDer: Uint8Array.from(response.certIdDer),
    })),
    ...(answer.nonce === undefined ? {} : { nonce: Uint8Array.from(answer.nonce) }),
  };
}

async function run(
  pool: TaskPool,
  handler: PackedTask['handler'],
  message: unknown,
): Promise<readonly (Uint8Array | undefined)[]> {
  const outcome = await pool.run<OcspReply>(() => ({ handler, message, transferList: [] }));
  switch (outcome.kind) {
    case 'done':
      if (outcome.reply.kind === 'fault') throw errorOfFault(outcome.reply);
      return outcome.reply.made;
    case 'overloaded':
      throw new CertmillError('FAULT_OVERLOADED', 'the queue of the OCSP responder is full');
    case 'drained':
    case 'stopping':
      throw new CertmillError('FAULT_STOPPING', 'the OCSP responder is stopping');
    case 'worker-lost':
    case 'timed-out':
      throw new CertmillError('FAULT_WORKER_LOST', 'a worker of the OCSP responder was lost');
  }
}
