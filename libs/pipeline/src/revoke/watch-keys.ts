import { chunkIdOf, type TenantId } from '@certmill/domain';
import type { CertificateStore, RequestPlace } from '@certmill/ports';
import type { PendingRequests } from './pending-requests.js';
import type { IssuedCertificate } from './read-certificates.js';

export interface KeyWatchPorts {
  readonly certificates: Pick<CertificateStore, 'placesOf' | 'chunkState'>;
}

/** A key has one request on its way for each profile name at most, and the newest are told first. */
const placesPerKey = 100;

/**
 * Other requests with the keys of certificates whose keys are compromised. Whatever is judged when that is
 * known is rejected (ADR 0027), so what can still be issued was accepted before: it is looked for when the
 * change is durable. What had ended ahead of it is none; what ended in between counts, for nobody was told of it.
 */
export class KeyWatch {
  readonly #ports: KeyWatchPorts;
  readonly #pending: PendingRequests;
  #ended: ReadonlySet<string> = new Set();

  constructor(ports: KeyWatchPorts, pending: PendingRequests) {
    this.#ports = ports;
    this.#pending = pending;
  }

  /** Ahead of a change. */
  async before(certificates: readonly IssuedCertificate[]): Promise<void> {
    const ended = new Set(certificates.map((each) => chunkKeyOf(each.tenant, each)));
    const looked = new Set(ended);
    for (const { tenant, places } of await this.#placesOf(certificates)) {
      for (const place of places) {
        const key = chunkKeyOf(tenant, place);
        if (looked.has(key)) continue;
        looked.add(key);
        const state = await this.#ports.certificates.chunkState({ ...place, tenant });
        if (state?.ended === true) ended.add(key);
      }
    }
    this.#ended = ended;
  }

  /** Of the same certificates, when it is durable. */
  async after(certificates: readonly IssuedCertificate[]): Promise<void> {
    for (const { tenant, udidHex, places } of await this.#placesOf(certificates)) {
      for (const place of places) {
        if (this.#ended.has(chunkKeyOf(tenant, place))) continue;
        this.#pending.addPlace(tenant, place, udidHex);
      }
    }
  }

  async #placesOf(certificates: readonly IssuedCertificate[]): Promise<readonly KeyPlaces[]> {
    const found: KeyPlaces[] = [];
    for (const [tenant, own] of Map.groupBy(certificates, (each) => each.tenant)) {
      const keys = own.map(({ udid }) => ({ udid }));
      const places = await this.#ports.certificates.placesOf(tenant, keys, placesPerKey);
      found.push(
        ...own.map(({ udid }, i) => {
          return { tenant, udidHex: Buffer.from(udid).toString('hex'), places: places[i] ?? [] };
        }),
      );
    }
    return found;
  }
}

interface KeyPlaces {
  readonly tenant: TenantId;
  readonly udidHex: string;
  readonly places: readonly RequestPlace[];
}

function chunkKeyOf(tenant: TenantId, place: Omit<RequestPlace, 'index'>): string {
  return `${tenant}/${chunkIdOf({ ...place, tenant })}`;
}
