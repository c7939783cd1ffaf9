/** Until when somebody speaks for a CA: answers OCSP or signs indirect CRLs in its place. */
export interface DelegateEnd {
  readonly kind: 'ocsp-responder' | 'crl-signer';
  /** The CA, by its name here. */
  readonly issuer: string;
  readonly subject: string;
  /** Hex. */
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Made and renewed by the service that signs; the others are people's to replace. */
  readonly renewsItself: boolean;
  /** By people, in time: it is in use or was last, and its CA goes on. */
  readonly toReplace: boolean;
}

/** When a CRL of CA certificates is to be replaced. */
export interface CaCrlEnd {
  /** The name by which it is served. */
  readonly ca: string;
  /** Of the CA that signed it, for people. */
  readonly subject: string;
  readonly nextUpdateMs: number;
}
