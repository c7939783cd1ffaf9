import { CertmillError } from '@certmill/domain';
import type { CertificatePlace } from '@certmill/ports';

/** Where a request of a reissue comes from. */
export interface ReissueSource {
  /** The certificate that was asked for by a client. */
  readonly first: CertificatePlace;
  /**
   * Whose claim the new one takes over: as a rule that of the certificate it stands for, which is the first itself
   * where that was never reissued before; or of a later one of the device, whose CA has fallen.
   */
  readonly holder: CertificatePlace;
}

/** As the source of a request in an order that reissues: batch and index of each, the holder's where it is another. */
export function textOfReissueSource({ first, holder }: ReissueSource): string {
  const places = isSamePlace(first, holder) ? [first] : [first, holder];
  return places.map(({ batchId, index }) => `${batchId} ${String(index)}`).join(' ');
}

/** Fault: FAULT_EVENT_UNDECODABLE where it is none, which no client can bring about: only operations upload there. */
export function reissueSourceOf(text: string): ReissueSource {
  const match = /^(\S+) (\d{1,10})(?: (\S+) (\d{1,10}))?$/v.exec(text);
  if (match === null) {
    throw new CertmillError('FAULT_EVENT_UNDECODABLE', 'a reissue does not say what it takes over');
  }
  const [, batchId = '', index, laterId, laterIndex] = match;
  const first = { batchId, index: Number(index) };
  const holder = laterId === undefined ? first : { batchId: laterId, index: Number(laterIndex) };
  return { first, holder };
}

/** Whether both are one and the same certificate. */
export function isSamePlace(one: CertificatePlace, other: CertificatePlace): boolean {
  return one.batchId === other.batchId && one.index === other.index;
}
