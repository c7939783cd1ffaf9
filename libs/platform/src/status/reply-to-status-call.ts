import type { AnswerPorts, OcspAnswer } from '@certmill/pipeline';
import { answerOcspCall } from './ocsp-call.js';
import type { StatusCall } from './status-messages.js';
import { ocspReply, plainReply, type KeepingLimits, type StatusReply } from './status-reply.js';

/** Hears of what a validation authority tells. */
export interface StatusObserver {
  answered(kind: OcspAnswer['kind']): void;
  fault(error: unknown): void;
}

export interface StatusContext {
  readonly limits: KeepingLimits;
  readonly observer: StatusObserver;
}

/** Everything that is told of certificates without asking who wants to know. Never rejects. */
export async function replyToStatusCall(
  ports: AnswerPorts,
  call: StatusCall,
  nowMs: number,
  { limits, observer }: StatusContext,
): Promise<StatusReply> {
  const answer = await answerOcspCall(ports, call);
  if (answer === undefined) return plainReply(404, 'there is nothing here');
  observer.answered(answer.kind);
  if ('cause' in answer && answer.cause !== undefined) observer.fault(answer.cause);
  return ocspReply(answer, nowMs, limits);
}
