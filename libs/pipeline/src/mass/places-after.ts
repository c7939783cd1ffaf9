import type { TenantId } from '@certmill/domain';
import type { CertificateStore, RequestPlace } from '@certmill/ports';
import { isSamePlace } from '../reissue-source.js';
import { deviceOf, type StoredCertificate } from './stored-certificate.js';

/** Most devices have had fewer requests: one look for all of them. */
const firstLook = 16;

/**
 * The requests of each certificate's device that were accepted after the certificate's own, newest first, under
 * whatever profile: as many as there are.
 */
export async function placesAfter(
  { certificates: store }: { readonly certificates: Pick<CertificateStore, 'placesOf'> },
  tenant: TenantId,
  certificates: readonly StoredCertificate[],
): Promise<readonly (readonly RequestPlace[])[]> {
  const found: (readonly RequestPlace[])[] = [];
  let open = [...certificates.entries()];
  for (let limit = firstLook; open.length > 0; limit *= 16) {
    const devices = open.map(([, own]) => deviceOf(own));
    const lists = await store.placesOf(tenant, devices, limit);
    open = open.filter(([position, own], i) => {
      const list = lists[i] ?? [];
      const at = list.findIndex((place) => isSamePlace(place, own));
      const before = found[position]?.length ?? 0;
      found[position] = at < 0 ? list : list.slice(0, at);
      return at < 0 && list.length > before;
    });
  }
  return found;
}
