import { createCertificateWalk, walkCertificate } from '@certmill/der';
import { serialNumberBytes, type ChunkRef } from '@certmill/domain';
import { decodeIssuedChunk, decodeReceivedHead } from '@certmill/events';
import type { CertificateStore } from '@certmill/ports';

/** What OCSP needs of a chunk that has ended, for that never changes. */
interface NumbersOfChunk {
  /** Name of the issuer that signed. */
  readonly issuer: string;
  readonly firstIndex: number;
  /** By place, `serialNumberBytes` each: what stands in the certificates, zeros where there is none. */
  readonly serialNumbers: Uint8Array;
}

/** Chunks that are known: some 5 MB of numbers, of a quarter of a million certificates. */
const maxChunks = 1_024;

/**
 * Which serial numbers were issued, and by whom. Whoever asks about one certificate reads a whole terminal
 * record, hundreds of kilobytes, once; the numbers in it are kept, the rest is not. Several who ask
 * at the same time read it together.
 */
export class IssuedNumbers {
  readonly #certificates: Pick<CertificateStore, 'getSegment'>;
  /** The one unused for longest comes first. */
  readonly #known = new Map<string, NumbersOfChunk>();
  readonly #underWay = new Map<string, Promise<NumbersOfChunk | undefined>>();

  constructor(certificates: Pick<CertificateStore, 'getSegment'>) {
    this.#certificates = certificates;
  }

  /**
   * Name of the issuer of the certificate that the request became; undefined where it became none, or one of
   * another number. Faults: the store's, FAULT_EVENT_UNDECODABLE.
   */
  async issuerOf(
    chunk: ChunkRef,
    index: number,
    serialNumber: Uint8Array,
  ): Promise<string | undefined> {
    const { tenant, batchId, chunkNumber } = chunk;
    const key = `${tenant}/${batchId}/${String(chunkNumber)}`;
    const numbers = this.#use(key) ?? (await this.#read(key, chunk));
    if (numbers === undefined) return undefined;
    const at = (index - numbers.firstIndex) * serialNumberBytes;
    const issued = numbers.serialNumbers.subarray(at, at + serialNumberBytes);
    return Buffer.compare(issued, serialNumber) === 0 ? numbers.issuer : undefined;
  }

  #use(key: string): NumbersOfChunk | undefined {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    this.#known.delete(key);
    this.#known.set(key, known);
    return known;
  }

  #read(key: string, chunk: ChunkRef): Promise<NumbersOfChunk | undefined> {
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const reading = this.#numbersOf(key, chunk).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, reading);
    return reading;
  }

  async #numbersOf(key: string, chunk: ChunkRef): Promise<NumbersOfChunk | undefined> {
    const segment = await this.#certificates.getSegment(chunk);
    // It may end any time.
    if (segment === undefined) return undefined;
    const numbers = numbersIn(segment);
    this.#known.set(key, numbers);
    if (this.#known.size > maxChunks) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    return numbers;
  }
}

function numbersIn(segment: Uint8Array): NumbersOfChunk {
  const { received, certificatesDer, certificateLengths } = decodeIssuedChunk(segment);
  const { issuer, firstIndex } = decodeReceivedHead(received);
  const serialNumbers = new Uint8Array(certificateLengths.length * serialNumberBytes);
  const walk = createCertificateWalk();
  let start = 0;
  for (const [place, length] of certificateLengths.entries()) {
    const end = start + length;
    if (length > 0 && walkCertificate(certificatesDer, start, end, walk)) {
      const { serialNumberStart, serialNumberEnd } = walk;
      // One of another length was never made of a request's place, and nobody is led to it.
      if (serialNumberEnd - serialNumberStart === serialNumberBytes) {
        const serialNumber = certificatesDer.subarray(serialNumberStart, serialNumberEnd);
        serialNumbers.set(serialNumber, place * serialNumberBytes);
      }
    }
    start = end;
  }
  return { issuer, firstIndex, serialNumbers };
}
