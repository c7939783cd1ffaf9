/** What each error code means, in a sentence for the person who has to mend the encoder. */
export const derErrorText = {
  truncated: 'an element runs past the end of the input or of the element around it',
  'trailing-bytes': 'there are bytes after the last expected element',
  'length-not-minimal': 'a length uses more octets than it needs (BER, not DER)',
  'indefinite-length': 'a length is indefinite (BER, not DER)',
  'tag-unsupported': 'a tag is reserved, or uses the multi-octet form that no PKIX type has',
  'unexpected-tag': 'an element has another type than the one that is defined here',
  'constructed-string': 'a string is constructed of parts (BER, not DER)',
  'too-deep': 'elements are nested deeper than any real request needs',
  'too-large': 'the input is larger than the limit',
  'integer-not-minimal': 'an INTEGER is empty or has redundant leading octets',
  'integer-out-of-range': 'an INTEGER is negative or zero where it must be positive, or too large',
  'bad-boolean': 'a BOOLEAN is neither 00 nor FF',
  'default-encoded': 'a value equal to its DEFAULT is written out (BER, not DER)',
  'bad-null': 'a NULL has content',
  'bad-bit-string': 'the unused bits of a BIT STRING are wrong or not zero',
  'bad-oid': 'an OBJECT IDENTIFIER is empty, cut short or not minimal',
  'bad-string': 'a string has characters that its type does not allow',
  'bad-time': 'a time is not in the form RFC 5280 4.1.2.5 requires',
  'empty-set': 'a SET or SEQUENCE is empty that must have an element',
  'set-not-sorted': 'the elements of a SET OF are not in DER order',
  'version-unsupported': 'the version is not one that is defined',
  'bad-algorithm-parameters': 'the parameters of an algorithm are not those its RFC requires',
  'bad-public-key': 'the public key is not encoded as its algorithm requires',
  'duplicate-attribute': 'the request has two extensionRequest attributes',
  'duplicate-extension': 'an extension occurs twice',
  'bad-general-name': 'a GeneralName is empty or not of a defined form',
  'bad-ip-address': 'an iPAddress has neither 4 nor 16 octets',
  'signature-algorithm-mismatch': 'the signed and the outer signature algorithm differ',
} as const;

/** Why bytes are not the DER that was asked for: a closed union, safe as a metric label. */
export type DerErrorCode = keyof typeof derErrorText;

/** A reason and the offset, in the caller's buffer, of the octet or element at fault. */
export interface DerError {
  readonly code: DerErrorCode;
  readonly offset: number;
}

/** What readers return: bad bytes are data, never an exception. */
export type DerResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: DerError };

/** What a caller of the writer did wrong. */
export type CertmillDerErrorCode =
  'slot-missing' | 'slot-unknown' | 'slot-value-invalid' | 'no-room' | 'argument-invalid';

/** Thrown by writers and encoders for mistakes of the calling program, never for bad input bytes. */
export class CertmillDerError extends RangeError {
  override readonly name = 'CertmillDerError';
  readonly code: CertmillDerErrorCode;

  constructor(code: CertmillDerErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
