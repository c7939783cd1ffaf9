import { openOcspFileReader } from '@certmill/adapter-embedded';
import type { SerialKey } from '@certmill/domain';
import { readPresignedAnswer } from '@certmill/pipeline/compute';
import type { AnswerAtOnce, AnswerSource } from '@certmill/platform';

interface PresignedFile {
  readonly path: string;
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
}

/** The file that an `OcspFile` has open. */
export function presignedAnswers(file: PresignedFile): AnswerSource {
  return { module: import.meta.url, data: file };
}

/** In a thread of the status face. */
export function openAnswers({ path, serialKeys }: PresignedFile): AnswerAtOnce {
  const reader = openOcspFileReader(path);
  return (requestDer, certId, nowMs) => {
    try {
      return readPresignedAnswer(reader, serialKeys, requestDer, certId, nowMs);
    } catch {
      return undefined;
    }
  };
}
