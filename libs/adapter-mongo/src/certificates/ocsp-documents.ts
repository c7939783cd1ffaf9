import type { BatchId } from '@certmill/domain';
import type { OcspResponder, OcspResponses, OcspStore } from '@certmill/ports';
import { idsUnder, type Documents, type Stored } from '../connection/documents.js';

/** `_id`: `<batch>/<first index>`, of eight digits so that it sorts: a serial number tells no tenant. */
export interface OcspResponsesDocument extends Stored, OcspResponses {}

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

  async putResponses(responses: OcspResponses, replaces: number | undefined): Promise<boolean> {
    const _id = responsesKey(responses.batchId, responses.firstIndex);
    if (replaces === undefined) {
      return (await this.#responses.insert({ ...responses, _id })) === 'inserted';
    }
    if (responses.producedAtMs <= replaces) return false;
    const before = { _id, producedAtMs: replaces };
    return this.#responses.update(before, { $set: { ...responses } });
  }

  removeResponses(batchId: BatchId, firstIndex: number, producedAtMs: number): Promise<boolean> {
    return this.#responses.remove({ _id: responsesKey(batchId, firstIndex), producedAtMs });
  }

  async listFirstIndexes(batchId: BatchId): Promise<readonly number[]> {
    const scan = { sort: { _id: 1 }, fields: ['firstIndex'] } as const;
    const found = await this.#responses.find(idsUnder(`${batchId}/`), scan);
    return found.map(({ firstIndex }) => firstIndex);
  }

  async findResponses(batchId: BatchId, index: number): Promise<OcspResponses | undefined> {
    const where = { _id: { $gte: responsesKey(batchId, 0), $lte: responsesKey(batchId, index) } };
    const [found] = await this.#responses.find(where, { sort: { _id: -1 }, limit: 1 });
    if (found === undefined || index >= found.firstIndex + found.count) return undefined;
    return {
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
      packed: new Uint8Array(found.packed),
    };
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
