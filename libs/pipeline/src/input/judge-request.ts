import { sniffDer, type DerShape } from '@certmill/der';
import type { Rejection, RejectionCode } from '@certmill/domain';
import { deviceIdDefect } from './check-device-id.js';
import type { InputItem, InputLimits } from './input-item.js';

const noBytes = new Uint8Array(0);

/** What a shape that is no request is called in a detail, and its code. */
const refusedShapes: Record<Exclude<DerShape, 'certification-request'>, Rejection> = {
  certificate: { code: 'INPUT_NOT_A_CSR', detail: 'this is a certificate, not a request' },
  'public-key': { code: 'INPUT_NOT_A_CSR', detail: 'this is a bare public key, not a request' },
  'private-key': {
    code: 'PRIVATE_KEY_SUBMITTED',
    detail: 'this is a private key; it was dropped unread',
  },
  pkcs7: { code: 'INPUT_NOT_A_CSR', detail: 'this is a PKCS#7 or CMS object, not a request' },
  pkcs12: {
    code: 'PRIVATE_KEY_SUBMITTED',
    detail: 'this is a PKCS#12 key store, which can hold private keys; it was dropped unread',
  },
  other: { code: 'INPUT_NOT_A_CSR', detail: 'this is DER of another type, not a request' },
  'not-der': {
    code: 'CSR_DER_MALFORMED',
    detail: 'the bytes are not one complete DER SEQUENCE',
  },
};

/**
 * An item refused before anything of it becomes durable. Only a device id that was checked goes in.
 */
export function rejectedItem(
  source: string,
  deviceId: string,
  code: RejectionCode,
  detail: string,
): InputItem {
  return { der: noBytes, deviceId, source, rejection: { code, detail } };
}

export function tooLarge(source: string, deviceId: string, what: string, limit: number): InputItem {
  return rejectedItem(
    source,
    deviceId,
    'CSR_TOO_LARGE',
    `${what} is over the limit of ${String(limit)} octets`,
  );
}

/**
 * The item of one decoded request: checks device id, size and outer shape, nothing of the inside.
 * `der` is kept as it is, not copied.
 */
export function judgeRequest(
  der: Uint8Array,
  deviceId: string,
  source: string,
  limits: InputLimits,
): InputItem {
  // The shape goes first: a private key must be named as one whatever else is wrong.
  const shape = sniffDer(der);
  if (shape === 'private-key' || shape === 'pkcs12') der.fill(0);
  const defect = deviceIdDefect(deviceId, limits.maxDeviceIdBytes);
  const safeId = defect === undefined ? deviceId : '';
  if (shape !== 'certification-request') {
    const { code, detail } = der.length === 0 ? emptyRequest : refusedShapes[shape];
    return rejectedItem(source, safeId, code, detail);
  }
  if (der.length > limits.maxCsrBytes) {
    return tooLarge(source, safeId, 'the request', limits.maxCsrBytes);
  }
  if (defect !== undefined) return rejectedItem(source, '', 'SUBJECT_MISMATCH', defect);
  return { der, deviceId, source };
}

const emptyRequest: Rejection = { code: 'CSR_DER_MALFORMED', detail: 'the request is empty' };
