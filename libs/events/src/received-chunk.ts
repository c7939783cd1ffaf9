import {
  maxChunkBytes,
  maxRequestsPerBatch,
  maxRequestsPerChunk,
  type Lane,
} from '@certmill/domain';
import type { ReceivedChunk } from './chunks.js';
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
    .finish();
}

/**
 * Decodes a certmill.v1.ReceivedChunk and checks its structure: columns aligned, lengths that add up,
 * a known lane, within 256 requests and 512 KiB. `requestsDer` is a view into `bytes`.
 * Throws FAULT_EVENT_UNDECODABLE.
 */
export function decodeReceivedChunk(bytes: Uint8Array): ReceivedChunk {
  const reader = new MessageReader(bytes, what);
  let tenant = '';
  let orderId = '';
  let batchId = noBytes;
  let chunkNumber = 0;
  let firstIndex = 0;
  let laneNumber = 0;
  let receivedAtMs = 0;
  let signBeforeMs = 0;
  let profileHash = noBytes;
  let issuer = '';
  let serialKeyId = 0;
  let sentCount = 0;
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
      case 1:
        tenant = reader.text();
        break;
      case 2:
        orderId = reader.text();
        break;
      case 3:
        batchId = reader.bytes();
        break;
      case 4:
        chunkNumber = reader.uint32();
        break;
      case 5:
        firstIndex = reader.uint32();
        break;
      case 6:
        laneNumber = reader.uint32();
        break;
      case 7:
        receivedAtMs = reader.integer();
        break;
      case 8:
        signBeforeMs = reader.integer();
        break;
      case 9:
        profileHash = reader.bytes();
        break;
      case 10:
        issuer = reader.text();
        break;
      case 11:
        serialKeyId = reader.uint32();
        break;
      case 12:
        sentCount = reader.uint32();
        break;
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
        reader.skip();
    }
  }
  const count = requestCount(sentCount, what);
  const lane = laneByNumber[laneNumber];
  if (lane === undefined) throw undecodable(`${what}: lane ${String(laneNumber)} is unknown`);
  if (profileHash.length !== profileHashBytes) {
    throw undecodable(`${what}: the profile hash has another length`);
  }
  if (serialKeyId < 1 || serialKeyId > maxSerialKeyId) {
    throw undecodable(`${what}: serial-key id ${String(serialKeyId)} is out of range`);
  }
  if (firstIndex + count > maxRequestsPerBatch + 1) {
    throw undecodable(`${what}: an index is over ${String(maxRequestsPerBatch)}`);
  }
  if (tenant === '' || orderId === '' || issuer === '') {
    throw undecodable(`${what}: tenant, order or issuer is missing`);
  }
  return {
    tenant,
    orderId,
    batchId: batchIdOfBytes(batchId, what),
    chunkNumber,
    firstIndex,
    lane,
    receivedAtMs,
    signBeforeMs,
    profileHash: profileHash.toString('hex'),
    issuer,
    serialKeyId,
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
