import { readLog, type FoundRecord } from '@certmill/adapter-embedded';
import { chunkIdOf } from '@certmill/domain';
import { deadLetterTopicOf, groups, topics } from '@certmill/events';
import { chunkRefOfHeaders } from '@certmill/pipeline';
import {
  verifyStore,
  type ChunksInLog,
  type VerifiedParts,
  type VerifiedStore,
} from '@certmill/trust';

/** A data folder at rest, opened for reading. */
export interface VerifiedFolder extends Omit<VerifiedParts, 'log'> {
  /** Of the event log. */
  readonly logDirectory: string;
  /** What is known to be wrong with the folder besides. */
  readonly damages: readonly string[];
}

/** `verifyStore` of @certmill/trust for a data folder with its event log. */
export async function verifyFolder(
  folder: VerifiedFolder,
  onProgress: (certificates: number) => void,
): Promise<VerifiedStore> {
  const { store, issuers, serialKeys } = folder;
  const log = await readChunksInLog(folder.logDirectory);
  const damages = [...folder.damages, ...log.damages];
  return verifyStore({ store, issuers, serialKeys, log: { ...log, damages } }, onProgress);
}

async function readChunksInLog(directory: string): Promise<ChunksInLog> {
  const group = groups.validate;
  const pending = new Set<string>();
  const deadLetters = new Set<string>();
  const damages: string[] = [];
  const read = async (into: Set<string>, found: AsyncIterable<FoundRecord>): Promise<void> => {
    for await (const each of found) {
      if (each.record === undefined) {
        damages.push(each.damage);
        continue;
      }
      const chunk = chunkRefOfHeaders(each.record.headers);
      if (chunk !== undefined) into.add(chunkIdOf(chunk));
    }
  };
  for (const topic of Object.values(topics.requestsReceived)) {
    await read(pending, readLog({ directory, topic, group }));
    await read(deadLetters, readLog({ directory, topic: deadLetterTopicOf(topic, group) }));
  }
  return { pending, deadLetters, damages };
}
