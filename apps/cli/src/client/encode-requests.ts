import type { Rejection } from '@certmill/domain';

/** A request to upload; what the readers of libs/pipeline yield. */
export interface UploadItem {
  readonly der: Uint8Array;
  readonly deviceId: string;
  readonly source: string;
  /** Present where the reader refused it: then `der` is empty. */
  readonly rejection?: Rejection;
}

/**
 * What is sent in the place of a request that the readers refused: nothing of it, only a `csr` that
 * the server refuses with the same code where there is one, so that every index stays.
 */
const refusedCsr: Partial<Record<Rejection['code'], string>> = {
  CSR_DER_MALFORMED: '""',
  PRIVATE_KEY_SUBMITTED: '"-----BEGIN PRIVATE KEY-----\\n-----END PRIVATE KEY-----\\n"',
};
const otherRefused = 'null';

/** One line of canonical NDJSON: base64 of the DER. */
export function encodeRequest({ der, deviceId, rejection }: UploadItem): string {
  const csr =
    rejection === undefined
      ? `"${Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')}"`
      : (refusedCsr[rejection.code] ?? otherRefused);
  return `{"deviceId":${JSON.stringify(deviceId)},"csr":${csr}}\n`;
}
