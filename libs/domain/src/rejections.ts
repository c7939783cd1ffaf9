/**
 * The catalogue of rejections: why one request did not become a certificate. Final, never retried,
 * one per request. Codes and their numbers are append-only: never renamed, never reused, for they
 * are stored in verdicts and segments that outlive any release.
 */

/** One row: what is wrong, and what the factory engineer does about it. */
export interface RejectionMeaning {
  /** Stored form of the code (1-255); 0 means "not rejected". */
  readonly number: number;
  /** Constant per code: the `title` of the problem document. */
  readonly title: string;
  /** How to mend it, in one or two sentences. */
  readonly remedy: string;
}

export const rejectionCatalogue = {
  CSR_DER_MALFORMED: {
    number: 1,
    title: 'The request is not a DER encoded PKCS#10',
    remedy:
      'Send one complete CertificationRequest (RFC 2986) in DER or PEM; check that it was not cut, re-wrapped or followed by other bytes.',
  },
  INPUT_NOT_A_CSR: {
    number: 2,
    title: 'The input is not a certification request',
    remedy:
      'A certificate, a public key or another kind of object was sent. Export the CSR ("BEGIN CERTIFICATE REQUEST") instead.',
  },
  PRIVATE_KEY_SUBMITTED: {
    number: 3,
    title: 'A private key was sent instead of a request',
    remedy:
      'The key was neither stored nor logged, but it has left the device: treat it as compromised, make a new key and send only its CSR.',
  },
  CSR_TOO_LARGE: {
    number: 4,
    title: 'The request is over the size limit',
    remedy: 'Remove attributes and extensions that the profile does not use from the CSR.',
  },
  CSR_POP_INVALID: {
    number: 5,
    title: 'Proof of possession failed',
    remedy:
      'The signature of the CSR does not verify with the public key inside it. Sign the CSR with the private key of the same pair, and send its bytes unchanged.',
  },
  CSR_SIGALG_FORBIDDEN: {
    number: 6,
    title: 'The signature algorithm of the request is not allowed',
    remedy: 'Sign the CSR with SHA-256, SHA-384 or SHA-512 (MD5 and SHA-1 are refused).',
  },
  KEY_ALGORITHM_FORBIDDEN: {
    number: 7,
    title: 'The key type, size or curve is not allowed by the profile',
    remedy: 'Make a key of one of the types that the profile lists and send a new CSR.',
  },
  KEY_COMPROMISED: {
    number: 8,
    title: 'The key is weak or known to be compromised',
    remedy:
      'Make a new key with a sound generator; one whose certificate was revoked for keyCompromise is never certified again. If every device of a line is rejected, suspect the generator or the secure element.',
  },
  KEY_IN_USE: {
    number: 9,
    title: 'The key is bound to another device',
    remedy:
      'Each device needs a key of its own: look for a cloned image, or a key made before the device was.',
  },
  SUBJECT_MISMATCH: {
    number: 10,
    title: 'The subject differs from the device',
    remedy:
      'The names in the CSR, the device id of the upload and the allow-list row must agree; correct the one that is wrong.',
  },
  SAN_FORBIDDEN: {
    number: 11,
    title: 'The requested subjectAltName is outside the profile',
    remedy: 'Ask only for name types and values that the profile accepts from a CSR.',
  },
  EXTENSION_FORBIDDEN: {
    number: 12,
    title: 'A requested extension is outside the profile',
    remedy: 'Leave the extension out of the CSR; the profile sets what the certificate needs.',
  },
  PROFILE_UNKNOWN: {
    number: 13,
    title: 'There is no such profile for this client',
    remedy: 'Check the profile of the order; `certmill profile list` shows what is there.',
  },
  ORDER_QUOTA_EXCEEDED: {
    number: 14,
    title: 'The quota of the order is used up',
    remedy: 'Open another order if more devices were really authorized.',
  },
  ORDER_CLOSED: {
    number: 15,
    title: 'The order is closed or past its date',
    remedy: 'Open another order for the devices that are left.',
  },
  DUPLICATE_IN_BATCH: {
    number: 16,
    title: 'The device or its key stands twice in the batch',
    remedy: 'One of them is issued, most often the first. Send each device once.',
  },
  DEVICE_REQUEST_PENDING: {
    number: 17,
    title: 'Another request for this device is in flight',
    remedy: 'Wait for the other batch; its certificate will serve the device.',
  },
  DEVICE_ALREADY_ISSUED: {
    number: 18,
    title: 'This device already holds a live certificate of the profile',
    remedy:
      'Fetch the existing certificate by device id, ask again when it has ended, use an order that renews, or revoke it first.',
  },
  DEVICE_NOT_AUTHORIZED: {
    number: 19,
    title: 'The device is not on the allow-list',
    remedy:
      'Add the device (with this key, where the list binds keys) to the allow-list of the order.',
  },
  BATCH_CANCELLED: {
    number: 20,
    title: 'The batch was cancelled before this request was signed',
    remedy: 'Nothing was issued for it; send it in a new batch.',
  },
  ISSUER_UNAVAILABLE: {
    number: 21,
    title: 'The request waited longer for its issuer than the profile allows',
    remedy: 'Send it again once the issuer is back.',
  },
  PROCESSING_FAILED: {
    number: 22,
    title: 'The request could not be processed',
    remedy: 'The operator has the cause; send it again when it is mended.',
  },
  ATTESTATION_INVALID: {
    number: 23,
    title: 'The hardware evidence is missing or false',
    remedy: 'Send the evidence that the profile asks for, made by the device itself.',
  },
  CERTIFICATE_REVOKED: {
    number: 24,
    title: 'The certificate that this one was to stand for is revoked or on hold',
    remedy: 'Nothing to do where that was meant. Else enrol the device under an order of its own.',
  },
} as const satisfies Record<string, RejectionMeaning>;

export type RejectionCode = keyof typeof rejectionCatalogue;

export const rejectionCodes = Object.keys(rejectionCatalogue) as readonly RejectionCode[];

const codeByNumber: readonly (RejectionCode | undefined)[] = rejectionCodes.reduce<
  (RejectionCode | undefined)[]
>((table, code) => {
  table[rejectionCatalogue[code].number] = code;
  return table;
}, []);

/** The stored number of a code. */
export function rejectionNumber(code: RejectionCode): number {
  return rejectionCatalogue[code].number;
}

/** The code of a stored number; undefined for 0 and for numbers of a newer release. */
export function rejectionCodeOf(number: number): RejectionCode | undefined {
  return codeByNumber[number];
}

/** One request's rejection: the code and a sentence about this very request. */
export interface Rejection {
  readonly code: RejectionCode;
  /** For people; carries no secrets and nothing about other devices. */
  readonly detail: string;
}
