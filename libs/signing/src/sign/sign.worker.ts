import { issueCrl } from './crl-writer.js';
import { issueChunk } from './issue-chunk.js';
import { issueResponderCertificate } from './issue-responder-certificate.js';
import { closeSessions, keyTask, openSession } from './run-key-task.js';

/** What signing workers do: `TaskPool` calls these by name. Each kind of `KeyTaskKinds` is one of them. */
export const openIssuer = openSession;
export const closeSlot = closeSessions;
export const signChunk = keyTask<'signChunk'>(issueChunk, 'the chunk cannot be signed');
export const signCrl = keyTask<'signCrl'>(issueCrl, 'the CRL cannot be signed');
export const certifyResponder = keyTask<'certifyResponder'>(
  issueResponderCertificate,
  'the certificate of an OCSP responder cannot be issued',
);
