import type { AllowListQuery } from '@certmill/ports';
import type { IssuedCertificate } from '../revoke/read-certificates.js';

/** A certificate with the request that it was issued for; views into the segment. */
export interface StoredCertificate extends IssuedCertificate {
  readonly requestDer: Uint8Array;
  readonly source: string;
  /** That came with the request, as it came; '' where the request itself or the allow-list had it. */
  readonly uploadedDeviceId: string;
  /** 32 octets. */
  readonly udid: Uint8Array;
}

/** How stores find the device of a certificate. */
export function deviceOf({ deviceId, udid }: StoredCertificate): AllowListQuery {
  return { ...(deviceId === '' ? {} : { deviceId }), udid };
}

/** How allow-lists find it, which take ids as they came. */
export function listedDeviceOf(certificate: StoredCertificate): AllowListQuery {
  const { uploadedDeviceId } = certificate;
  return deviceOf(
    uploadedDeviceId === '' ? certificate : { ...certificate, deviceId: uploadedDeviceId },
  );
}
