import type { BatchId } from '@certmill/domain';
import type {
  OcspResponder,
  OcspResponsePair,
  OcspResponses,
  OcspResponsesHead,
  OcspStore,
} from '@certmill/ports';
import { idsUnder, type Documents, type Stored } from '../connection/documents.js';

/**
 * `_id`: `<batch>/<first index>`, of eight digits so that it sorts: a serial number tells no tenant. Each
 * pair is a field of its own, `r<index>`, so that an answer has the server send that one alone, and all of
 * them change in one write with what is known of them.
 */
export interface OcspResponsesDocument extends Stored, OcspResponsesHead {
  readonly [pair: `r${number}`]: Uint8Array | undefined;
}

/** `_id`: the id of the responder. */
export interface OcspResponderDocument extends Stored {
  readonly issuer: string;
  readonly certificateDer: Uint8Array;
  readonly notAfterMs: number;
}

const indexDigits = 8;

function responsesKey(batchId: BatchId, index: number): string {
  return `${batchId}/${String(index).padStart(indexDigits, '0')}`;
}

function pairField(index: number): `r${number}` {
  return `r${index}`;
}

const pairFields = ['firstIndex', 'count', 'issuer', 'responder', 'thisUpdateMs', 'nextUpdateMs'];
const headFields = [
  ...pairFields,
  ...['tenant', 'batchId', 'chunkNumber', 'producedAtMs', 'digest'],
];

/** Pre-signed OCSP responses, a document of each chunk's. */
export class OcspDocuments implements OcspStore {
  readonly #responses: Documents<OcspResponsesDocument>;
  readonly #responders: Documents<OcspResponderDocument>;

  constructor({
    ocspResponses,
    ocspResponders,
  }: {
    readonly ocspResponses: Documents<OcspResponsesDocument>;
    readonly ocspResponders: Documents<OcspResponderDocument>;
  }) {
    this.#responses = ocspResponses;
    this.#responders = ocspResponders;
  }

  async putResponses(
    { pairs, ...head }: OcspResponses,
    replaces: number | undefined,
  ): Promise<boolean> {
    const { batchId, firstIndex } = head;
    const _id = responsesKey(batchId, firstIndex);
    const fields = pairs.flatMap((packed, place) =>
      packed === undefined ? [] : [[pairField(firstIndex + place), packed] as const],
    );
    const document = { _id, ...head, ...Object.fromEntries(fields) };
    if (replaces === undefined) return (await this.#responses.insert(document)) === 'inserted';
    if (head.producedAtMs <= replaces) return false;
    return this.#responses.replace(document, { producedAtMs: replaces });
  }

  /** Each write waits for the journal of a majority. */
  settle(): Promise<void> {
    return Promise.resolve();
  }

  removeResponses(batchId: BatchId, firstIndex: number, producedAtMs: number): Promise<boolean> {
    return this.#responses.remove({ _id: responsesKey(batchId, firstIndex), producedAtMs });
  }

  async listFirstIndexes(batchId: BatchId): Promise<readonly number[]> {
    const scan = { sort: { _id: 1 }, fields: ['firstIndex'] } as const;
    const found = await this.#responses.find(idsUnder(`${batchId}/`), scan);
    return found.map(({ firstIndex }) => firstIndex);
  }

  async findPair(batchId: BatchId, index: number): Promise<OcspResponsePair | undefined> {
    const field = pairField(index);
    const found = await this.#find(batchId, index, [...pairFields, field]);
    const packed = found?.[field];
    if (found === undefined || packed === undefined) return undefined;
    return {
      issuer: found.issuer,
      responder: found.responder,
      thisUpdateMs: found.thisUpdateMs,
      nextUpdateMs: found.nextUpdateMs,
      packed: new Uint8Array(packed),
    };
  }

  async findResponses(batchId: BatchId, index: number): Promise<OcspResponsesHead | undefined> {
    const found = await this.#find(batchId, index, headFields);
    return (
      found && {
        tenant: found.tenant,
        batchId: found.batchId,
        chunkNumber: found.chunkNumber,
        firstIndex: found.firstIndex,
        count: found.count,
        issuer: found.issuer,
        responder: found.responder,
        producedAtMs: found.producedAtMs,
        thisUpdateMs: found.thisUpdateMs,
        nextUpdateMs: found.nextUpdateMs,
        digest: found.digest,
      }
    );
  }

  async #find(
    batchId: BatchId,
    index: number,
    fields: readonly string[],
  ): Promise<OcspResponsesDocument | undefined> {
    const where = { _id: { $gte: responsesKey(batchId, 0), $lte: responsesKey(batchId, index) } };
    const scan = { sort: { _id: -1 }, limit: 1, fields } as const;
    const [found] = await this.#responses.find(where, scan);
    return found !== undefined && index < found.firstIndex + found.count ? found : undefined;
  }

  async listEndingResponses(
    beforeMs: number,
    { issuers, limit }: Parameters<OcspStore['listEndingResponses']>[1],
  ): ReturnType<OcspStore['listEndingResponses']> {
    const fields = ['tenant', 'batchId', 'chunkNumber', 'nextUpdateMs'];
    const where = { nextUpdateMs: { $lt: beforeMs }, issuer: { $in: [...issuers] } };
    const found = await this.#responses.find(where, { sort: { nextUpdateMs: 1 }, limit, fields });
    return found.map(({ tenant, batchId, chunkNumber, nextUpdateMs }) => ({
      tenant,
      batchId,
      chunkNumber,
      nextUpdateMs,
    }));
  }

  async forgetResponses(endedBeforeMs: number): Promise<number> {
    const where = { nextUpdateMs: { $lt: endedBeforeMs } };
    const ended = await this.#responses.find(where, { sort: { nextUpdateMs: 1 }, fields: ['_id'] });
    await this.#responses.removeAll(where);
    return ended.length;
  }

  async putResponder({ id, ...responder }: OcspResponder): Promise<void> {
    await this.#responders.insert({ _id: id, ...responder });
  }

  async getResponder(id: string): Promise<OcspResponder | undefined> {
    const found = await this.#responders.get(id);
    return (
      found && {
        id,
        issuer: found.issuer,
        certificateDer: new Uint8Array(found.certificateDer),
        notAfterMs: found.notAfterMs,
      }
    );
  }
}
