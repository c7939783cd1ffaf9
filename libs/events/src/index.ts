export type {
  IssuedChunk,
  PublishedChunk,
  ReceivedChunk,
  ValidatedChunk,
  Verdict,
} from './chunks.js';
export { deadLetterTopicOf, groups, lanes, topics } from './topics.js';
