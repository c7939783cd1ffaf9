import { readFile } from 'node:fs/promises';
import { Counter, type Registry } from 'prom-client';
import { cached, readOf } from './scrape-readings.js';

/** What the kernel counted for this process, all its threads together. */
export interface ProcessIo {
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly diskWrittenBytes: number;
}

/** The counters share a reading. */
const defaultTtlMs = 100;

/** Absent where the kernel does not tell: off Linux. */
export function registerProcessIo(
  registry: Registry,
  read: () => Promise<ProcessIo> = readProcessIo,
  ttlMs = defaultTtlMs,
): void {
  const reading = cached(read, ttlMs);
  const counter = (name: string, help: string, valueOf: (io: ProcessIo) => number): void => {
    new Counter({
      name,
      help,
      registers: [registry],
      async collect() {
        const io = await readOf(reading);
        if (io === undefined) this.remove();
        else {
          this.reset();
          this.inc(valueOf(io));
        }
      },
    });
  };
  counter(
    'certmill_process_read_bytes_total',
    'Octets that the process read: sockets, files and pipes.',
    ({ readBytes }) => readBytes,
  );
  counter(
    'certmill_process_written_bytes_total',
    'Octets that the process wrote: sockets, files and pipes.',
    ({ writtenBytes }) => writtenBytes,
  );
  counter(
    'certmill_process_disk_written_bytes_total',
    'Octets that the process gave to block devices.',
    ({ diskWrittenBytes }) => diskWrittenBytes,
  );
}

async function readProcessIo(): Promise<ProcessIo> {
  return processIoIn(await readFile('/proc/self/io', 'utf8'));
}

/** Of the text of proc_pid_io(5). */
export function processIoIn(text: string): ProcessIo {
  const value = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1]);
  return {
    readBytes: value('rchar'),
    writtenBytes: value('wchar'),
    diskWrittenBytes: value('write_bytes'),
  };
}
