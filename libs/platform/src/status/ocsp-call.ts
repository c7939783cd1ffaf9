import { encodeErrorResponse } from '@certmill/der';
import { answerOcspRequest, type AnswerPorts, type OcspAnswer } from '@certmill/pipeline';
import type { StatusCall } from './status-messages.js';

/** Whether a call is one of OCSP: `POST /ocsp`, `GET /ocsp/<base64>`, with what proxies put before. */
const ocspPath = /^(?:\/[^?]*)?\/ocsp(?:\/([^?]*))?(?:\?|$)/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** RFC 6960 A.1. Undefined where the call is none of OCSP. */
export async function answerOcspCall(
  ports: AnswerPorts,
  { method, url, body }: StatusCall,
): Promise<OcspAnswer | undefined> {
  const path = ocspPath.exec(url);
  if (path === null) return undefined;
  if (method === 'POST') return answerOcspRequest(ports, body);
  const requestDer = decoded(path[1] ?? '');
  return requestDer === undefined
    ? { kind: 'malformedRequest', der: encodeErrorResponse('malformedRequest') }
    : answerOcspRequest(ports, requestDer);
}

/** The base64 in a path may be escaped or not: clients do either, `/` among it too. */
function decoded(text: string): Buffer | undefined {
  try {
    const unescaped = decodeURIComponent(text);
    return base64.test(unescaped) ? Buffer.from(unescaped, 'base64') : undefined;
  } catch {
    return undefined;
  }
}
