import type { Lane } from '@certmill/domain';
import type { KeyTask } from './key-task.js';
import type { ResponderToCertify } from './sign-messages.js';

/** Main side: the certificate of an OCSP responder. */
export function responderTask(
  lane: Lane,
  responder: ResponderToCertify,
): KeyTask<'certifyResponder'> {
  return {
    kind: 'certifyResponder',
    lane,
    timeouts: 1,
    pack: () => ({
      input: { ...responder, subjectPKInfoDer: Uint8Array.from(responder.subjectPKInfoDer) },
      transferList: [],
    }),
    identity: responder.subjectPKInfoDer,
  };
}
