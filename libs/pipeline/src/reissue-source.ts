import { CertmillError } from '@certmill/domain';
import type { CertificatePlace } from '@certmill/ports';

/** Where a request of a reissue comes from. */
export interface ReissueSource {
  /** The certificate that was asked for by a client. */
  readonly first: CertificatePlace;
  /** The one that the new one stands for: the first itself where that was never reissued before. */
  readonly predecessor: CertificatePlace;
  /** Whose claim it takes over: the predecessor's, or that of a later one of the device, whose CA has fallen. */
  readonly holder: CertificatePlace;
}

/** As the source of a request in an order that reissues: batch and index of each, but of those at the end that are the one before. */
export function textOfReissueSource({ first, predecessor, holder }: ReissueSource): string {
  const places = isSamePlace(holder, predecessor)
    ? isSamePlace(predecessor, first)
      ? [first]
      : [first, predecessor]
    : [first, predecessor, holder];
  return places.map(({ batchId, index }) => `${batchId} ${String(index)}`).join(' ');
}

/** Fault: FAULT_EVENT_UNDECODABLE where it is none, which no client can bring about: only operations upload there. */
export function reissueSourceOf(text: string): ReissueSource {
  const words = text.split(' ');
  const places: CertificatePlace[] = [];
  for (let at = 0; at < words.length; at += 2) {
    const [batchId = '', index = ''] = words.slice(at, at + 2);
    if (batchId === '' || !/^\d{1,10}$/v.test(index)) throw noSource();
    places.push({ batchId, index: Number(index) });
  }
  const [first, predecessor = first, holder = predecessor, ...others] = places;
  if (first === undefined || predecessor === undefined || holder === undefined) throw noSource();
  if (others.length > 0) throw noSource();
  return { first, predecessor, holder };
}

function noSource(): CertmillError {
  const message = 'a reissue does not say what it stands for';
  return new CertmillError('FAULT_EVENT_UNDECODABLE', message);
}

/** Whether both are one and the same certificate. */
export function isSamePlace(one: CertificatePlace, other: CertificatePlace): boolean {
  return one.batchId === other.batchId && one.index === other.index;
}
