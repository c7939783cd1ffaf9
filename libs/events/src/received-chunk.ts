import {
  maxChunkBytes,
  maxRequestsPerBatch,
  maxRequestsPerChunk,
  type Lane,
} from '@certmill/domain';
import type { ReceivedChunk, ReceivedHead } from './chunks.js';
import {
  assertAligned,
  batchIdOfBytes,
  lengthColumn,
  numberColumn,
  requestCount,
  textColumn,
} from './columns.js';
import { MessageReader, undecodable } from './message-reader.js';
import { MessageWriter } from './message-writer.js';

const what = 'ReceivedChunk';
const laneNumbers: Readonly<Record<Lane, number>> = { bulk: 1, interactive: 2 };
const laneByNumber: readonly (Lane | undefined)[] = [undefined, 'bulk', 'interactive'];
const profileHashBytes = 32;
const maxSerialKeyId = 0x7f;
const noBytes: Buffer = Buffer.alloc(0);

/** Encodes a chunk as certmill.v1.ReceivedChunk. The result is memory of its own. */
export function encodeReceivedChunk(chunk: ReceivedChunk): Uint8Array {
  const count = chunk.requestLengths.length;
  const { deviceIds, sources, rejections, rejectionDetails } = chunk;
  assertAligned(what, count, deviceIds, sources, rejections, rejectionDetails);
  return new MessageWriter()
    .text(1, chunk.tenant)
    .text(2, chunk.orderId)
    .bytes(3, Buffer.from(chunk.batchId, 'hex'))
    .number(4, chunk.chunkNumber)
    .number(5, chunk.firstIndex)
    .number(6, laneNumbers[chunk.lane])
    .number(7, chunk.receivedAtMs)
    .number(8, chunk.signBeforeMs)
    .bytes(9, Buffer.from(chunk.profileHash, 'hex'))
    .text(10, chunk.issuer)
    .number(11, chunk.serialKeyId)
    .number(12, count)
    .bytes(13, chunk.requestsDer)
    .numbers(14, chunk.requestLengths)
    .texts(15, 16, deviceIds)
    .texts(17, 18, sources)
    .numbers(19, rejections)
    .texts(20, 21, rejectionDetails)
    .text(22, chunk.heldIds?.vendorId ?? '')
    .text(23, chunk.heldIds?.productId ?? '')
    .finish();
}

/**
 * Decodes a certmill.v1.ReceivedChunk and checks its structure: columns aligned, lengths that add up,
 * a known lane, within 1,024 requests and 512 KiB. `requestsDer` is a view into `bytes`.
 * Throws FAULT_EVENT_UNDECODABLE.
 */
export function decodeReceivedChunk(bytes: Uint8Array): ReceivedChunk {
  const reader = new MessageReader(bytes, what);
  const head = new HeadFields();
  let requestsDer = noBytes;
  const requestLengths: number[] = [];
  let deviceIds = noBytes;
  const deviceIdLengths: number[] = [];
  let sources = noBytes;
  const sourceLengths: number[] = [];
  const rejections: number[] = [];
  let details = noBytes;
  const detailLengths: number[] = [];
  const max = maxRequestsPerChunk;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 13:
        requestsDer = reader.bytes();
        break;
      case 14:
        reader.numbers(requestLengths, max);
        break;
      case 15:
        deviceIds = reader.bytes();
        break;
      case 16:
        reader.numbers(deviceIdLengths, max);
        break;
      case 17:
        sources = reader.bytes();
        break;
      case 18:
        reader.numbers(sourceLengths, max);
        break;
      case 19:
        reader.numbers(rejections, max);
        break;
      case 20:
        details = reader.bytes();
        break;
      case 21:
        reader.numbers(detailLengths, max);
        break;
      default:
        head.read(field, reader);
    }
  }
  const { count, ...pins } = head.checked();
  return {
    ...pins,
    requestsDer,
    requestLengths: lengthColumn(
      requestLengths,
      count,
      requestsDer,
      maxChunkBytes,
      `${what}.requestsDer`,
    ),
    deviceIds: textColumn(deviceIds, deviceIdLengths, count, `${what}.deviceIds`),
    sources: textColumn(sources, sourceLengths, count, `${what}.sources`),
    rejections: numberColumn(rejections, count, 0xff, `${what}.rejections`),
    rejectionDetails: textColumn(details, detailLengths, count, `${what}.rejectionDetails`),
  };
}

/**
 * Decodes a certmill.v1.ReceivedChunk without its columns, which are not looked at: a defect of theirs
 * shows where they are decoded. Throws FAULT_EVENT_UNDECODABLE.
 */
export function decodeReceivedHead(bytes: Uint8Array): ReceivedHead {
  const reader = new MessageReader(bytes, what);
  const head = new HeadFields();
  for (let field = reader.next(); field !== 0; field = reader.next()) head.read(field, reader);
  return head.checked();
}

/** The fields 1 to 12 and 22 to 23 while they are read. */
class HeadFields {
  #tenant = '';
  #orderId = '';
  #batchId = noBytes;
  #chunkNumber = 0;
  #firstIndex = 0;
  #laneNumber = 0;
  #receivedAtMs = 0;
  #signBeforeMs = 0;
  #profileHash = noBytes;
  #issuer = '';
  #serialKeyId = 0;
  #count = 0;
  #heldVendorId = '';
  #heldProductId = '';

  /** Takes a field of the head, or passes over another. */
  read(field: number, reader: MessageReader): void {
    switch (field) {
      case 1:
        this.#tenant = reader.text();
        break;
      case 2:
        this.#orderId = reader.text();
        break;
      case 3:
        this.#batchId = reader.bytes();
        break;
      case 4:
        this.#chunkNumber = reader.uint32();
        break;
      case 5:
        this.#firstIndex = reader.uint32();
        break;
      case 6:
        this.#laneNumber = reader.uint32();
        break;
      case 7:
        this.#receivedAtMs = reader.integer();
        break;
      case 8:
        this.#signBeforeMs = reader.integer();
        break;
      case 9:
        this.#profileHash = reader.bytes();
        break;
      case 10:
        this.#issuer = reader.text();
        break;
      case 11:
        this.#serialKeyId = reader.uint32();
        break;
      case 12:
        this.#count = reader.uint32();
        break;
      case 22:
        this.#heldVendorId = reader.text();
        break;
      case 23:
        this.#heldProductId = reader.text();
        break;
      default:
        reader.skip();
    }
  }

  checked(): ReceivedHead {
    const lane = laneByNumber[this.#laneNumber];
    if (lane === undefined) {
      throw undecodable(`${what}: lane ${String(this.#laneNumber)} is unknown`);
    }
    if (this.#profileHash.length !== profileHashBytes) {
      throw undecodable(`${what}: the profile hash has another length`);
    }
    if (this.#serialKeyId < 1 || this.#serialKeyId > maxSerialKeyId) {
      throw undecodable(`${what}: serial-key id ${String(this.#serialKeyId)} is out of range`);
    }
    const count = requestCount(this.#count, what);
    if (this.#firstIndex + count > maxRequestsPerBatch + 1) {
      throw undecodable(`${what}: an index is over ${String(maxRequestsPerBatch)}`);
    }
    if (this.#tenant === '' || this.#orderId === '' || this.#issuer === '') {
      throw undecodable(`${what}: tenant, order or issuer is missing`);
    }
    return {
      tenant: this.#tenant,
      orderId: this.#orderId,
      batchId: batchIdOfBytes(this.#batchId, what),
      chunkNumber: this.#chunkNumber,
      firstIndex: this.#firstIndex,
      lane,
      receivedAtMs: this.#receivedAtMs,
      signBeforeMs: this.#signBeforeMs,
      profileHash: this.#profileHash.toString('hex'),
      issuer: this.#issuer,
      serialKeyId: this.#serialKeyId,
      ...this.#heldIds(),
      count,
    };
  }

  #heldIds(): Pick<ReceivedHead, 'heldIds'> {
    const [vendorId, productId] = [this.#heldVendorId, this.#heldProductId];
    if (vendorId === '' && productId === '') return {};
    return {
      heldIds: {
        ...(vendorId === '' ? {} : { vendorId }),
        ...(productId === '' ? {} : { productId }),
      },
    };
  }
}
