import { answerOcspRequest, type AnswerPorts, type OcspAnswer } from '@certmill/pipeline';
import type { Repository } from '../http/repository.js';
import { replyToRepositoryCall } from './reply-to-repository-call.js';
import type { StatusCall } from './status-call.js';
import {
  laterReply,
  ocspReply,
  plainReply,
  type KeepingLimits,
  type StatusReply,
} from './status-reply.js';

/** Hears of what a validation authority tells. */
export interface StatusObserver {
  answered(kind: OcspAnswer['kind']): void;
  fault(error: unknown): void;
}

export interface StatusContext {
  readonly limits: KeepingLimits;
  readonly observer: StatusObserver;
  /** CRLs and certificates of CAs; absent: they lie elsewhere. */
  readonly repository?: Repository | undefined;
}

/**
 * Everything that is told of certificates without asking who wants to know. Never rejects.
 *
 * @param signal aborts when the client has gone: nothing more is looked up, and nothing counted.
 */
export async function replyToStatusCall(
  ports: AnswerPorts,
  call: StatusCall,
  nowMs: number,
  { limits, observer, repository }: StatusContext,
  signal?: AbortSignal,
): Promise<StatusReply> {
  if (call.kind === 'published') return published(call, { repository, observer });
  const answer = await answerOcspRequest(ports, call.requestDer, signal);
  if (signal?.aborted !== true) observer.answered(answer.kind);
  if ('cause' in answer && answer.cause !== undefined) observer.fault(answer.cause);
  return ocspReply(answer, nowMs, limits);
}

async function published(
  call: Extract<StatusCall, { readonly kind: 'published' }>,
  { repository, observer }: Pick<StatusContext, 'repository' | 'observer'>,
): Promise<StatusReply> {
  try {
    const reply = repository && (await replyToRepositoryCall(repository, call));
    return reply ?? plainReply(404, 'there is nothing here');
  } catch (error) {
    observer.fault(error);
    return laterReply();
  }
}
