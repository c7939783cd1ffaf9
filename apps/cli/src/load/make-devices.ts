import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CertmillError } from '@certmill/domain';

/** Consecutive devices `<prefix><number>`. */
export interface DeviceRange {
  readonly prefix: string;
  readonly first: number;
  readonly count: number;
}

/** Lines of some devices: NDJSON requests, CSV allow-list rows (deviceId,udid,serial). */
export interface DeviceLines {
  readonly count: number;
  readonly requests: string;
  readonly allowList: string;
}

export interface DeviceFiles {
  readonly requests: string;
  readonly allowList: string;
}

const allowListHeader = 'deviceId,udid,serial\n';

/**
 * Makes devices with keys of their own on all cores and writes `requests.ndjson` and `devices.csv`
 * into the directory.
 */
export async function makeDevices(
  directory: string,
  range: DeviceRange,
  onProgress: (made: number) => void,
): Promise<DeviceFiles> {
  await mkdir(directory, { recursive: true });
  const files = {
    requests: join(directory, 'requests.ndjson'),
    allowList: join(directory, 'devices.csv'),
  };
  const requests = createWriteStream(files.requests);
  const allowList = createWriteStream(files.allowList);
  allowList.write(allowListHeader);
  let made = 0;
  const share = Math.ceil(range.count / availableParallelism());
  const shares: DeviceRange[] = [];
  for (let first = 0; first < range.count; first += share) {
    shares.push({
      prefix: range.prefix,
      first: range.first + first,
      count: Math.min(share, range.count - first),
    });
  }
  await Promise.all(
    shares.map((part) =>
      runWorker(part, (lines) => {
        requests.write(lines.requests);
        allowList.write(lines.allowList);
        onProgress((made += lines.count));
      }),
    ),
  );
  await Promise.all([finish(requests), finish(allowList)]);
  return files;
}

async function runWorker(range: DeviceRange, onLines: (lines: DeviceLines) => void): Promise<void> {
  const worker = new Worker(new URL('./make-devices.worker.js', import.meta.url), {
    workerData: range,
  });
  worker.on('message', onLines);
  const [exitCode] = (await once(worker, 'exit')) as [number];
  if (exitCode !== 0)
    throw new CertmillError('FAULT_WORKER_LOST', 'a worker that makes devices ended early');
}

async function finish(stream: WriteStream): Promise<void> {
  stream.end();
  await once(stream, 'close');
}
