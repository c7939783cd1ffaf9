import { compareKeys } from './entry.js';
import { RunInput } from './run-input.js';
import { RunOutput, type RunShape, type WrittenRun } from './run-output.js';

export interface MergeJob extends RunShape {
  /** Run files, oldest first. */
  readonly inputs: readonly string[];
  readonly path: string;
  /** Nothing older is left: a map's released keys can be forgotten. */
  readonly isOldest: boolean;
}

/** Between two pauses at most this much is written: a flush never waits long for a merge. */
const pagesPerTurn = 256;

/**
 * Merges sorted runs into one, streaming: memory is a buffer per input and the new run's filter. Of
 * a map only the newest value of a key stays. On failure the output is removed.
 * @param pause Lets other work of the thread go first.
 */
export async function mergeRuns(job: MergeJob, pause: () => Promise<void>): Promise<WrittenRun> {
  const inputs: RunInput[] = [];
  try {
    for (const path of job.inputs) inputs.push(new RunInput(path));
    const entries = inputs.reduce((sum, input) => sum + input.header.count, 0);
    const output = new RunOutput(job.path, job, entries);
    try {
      await mergeInto(output, inputs, job, pause);
      return output.finish();
    } catch (error) {
      output.abandon();
      throw error;
    }
  } finally {
    for (const input of inputs) input.close();
  }
}

async function mergeInto(
  output: RunOutput,
  inputs: readonly RunInput[],
  job: MergeJob,
  pause: () => Promise<void>,
): Promise<void> {
  const isMap = job.kind === 'map';
  const last = new Int32Array(4);
  let hasLast = false;
  let pauseAt = pagesPerTurn;
  for (let input = smallest(inputs); input !== undefined; input = smallest(inputs)) {
    const { words, at } = input;
    const repeats = isMap && hasLast && compareKeys(last, 0, words, at) === 0;
    if (isMap && !repeats) {
      for (let word = 0; word < 4; word += 1) last[word] = words[at + word] as number;
      hasLast = true;
    }
    const isReleased = isMap && words[at + 4] === 0 && words[at + 5] === 0;
    if (!repeats && !(isReleased && job.isOldest)) output.append(words, at);
    input.next();
    if (output.pages >= pauseAt) {
      pauseAt = output.pages + pagesPerTurn;
      await pause();
    }
  }
}

/** The input whose current entry comes first, of equal keys the newest input. */
function smallest(inputs: readonly RunInput[]): RunInput | undefined {
  let best: RunInput | undefined;
  let bestWord = 0;
  for (let i = inputs.length - 1; i >= 0; i -= 1) {
    const input = inputs[i] as RunInput;
    if (input.ended) continue;
    const word = input.words[input.at] as number;
    if (
      best === undefined ||
      word < bestWord ||
      (word === bestWord && compareKeys(input.words, input.at, best.words, best.at) < 0)
    ) {
      best = input;
      bestWord = word;
    }
  }
  return best;
}
