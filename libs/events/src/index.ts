export type {
  IssuedChunk,
  PublishedChunk,
  ReceivedChunk,
  ValidatedChunk,
  Verdict,
} from './chunks.js';
export { decodeIssuedChunk, encodeIssuedChunk } from './issued-chunk.js';
export { decodePublishedChunk, encodePublishedChunk } from './published-chunk.js';
export { decodeReceivedChunk, encodeReceivedChunk } from './received-chunk.js';
export {
  assertSealedMatches,
  openRecord,
  sealRecord,
  type RecordToSeal,
  type SealKey,
  type SealedAttributes,
  type SealedRecord,
} from './seal.js';
export { deadLetterTopicOf, groups, lanes, topics } from './topics.js';
export { decodeValidatedChunk, encodeValidatedChunk } from './validated-chunk.js';
export { amendVerdict, decodeVerdict, encodeVerdict, type VerdictChange } from './verdict.js';
