export type {
  IssuedChunk,
  PublishedChunk,
  ReceivedChunk,
  ReceivedHead,
  ReceivedPins,
  ValidatedChunk,
  Verdict,
} from './chunks.js';
export { decodeIssuedChunk, encodeIssuedChunk } from './issued-chunk.js';
export { maxCertificatesBytes, maxValuesBytes, maxValuesPerRequest } from './columns.js';
export { MessageReader } from './message-reader.js';
export { MessageWriter } from './message-writer.js';
export { decodePublishedChunk, encodePublishedChunk } from './published-chunk.js';
export { decodeReceivedChunk, decodeReceivedHead, encodeReceivedChunk } from './received-chunk.js';
export {
  assertSealedMatches,
  forgedRecord,
  openRecord,
  recordHeaders,
  sealRecord,
  type RecordToSeal,
  type SealKey,
  type SealedAttributes,
  type SealedRecord,
} from './seal.js';
export { deadLetterTopicOf, groups, lanes, topics } from './topics.js';
export { decodeValidatedChunk, encodeValidatedChunk } from './validated-chunk.js';
export { amendVerdict, decodeVerdict, encodeVerdict, type VerdictChange } from './verdict.js';
