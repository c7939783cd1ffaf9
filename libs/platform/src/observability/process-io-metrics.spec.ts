import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { processIoIn, registerProcessIo, type ProcessIo } from './process-io-metrics.js';

const text = `rchar: 6976
wchar: 120
syscr: 10
syscw: 3
read_bytes: 1
write_bytes: 4096
cancelled_write_bytes: 7
`;

const samplesOf = async (registry: Registry): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => /^certmill/.test(line));

describe('the input and output of the process', () => {
  it('are those that the kernel counts', () => {
    expect(processIoIn(text)).toEqual({
      readBytes: 6_976,
      writtenBytes: 120,
      diskWrittenBytes: 4_096,
    });
  });

  it('are counters, as they are at the scrape', async () => {
    const registry = new Registry();
    let io: ProcessIo = { readBytes: 5, writtenBytes: 6, diskWrittenBytes: 7 };
    registerProcessIo(registry, () => Promise.resolve(io), 0);
    await registry.metrics();
    io = { readBytes: 50, writtenBytes: 60, diskWrittenBytes: 70 };
    expect(await samplesOf(registry)).toEqual([
      'certmill_process_read_bytes_total 50',
      'certmill_process_written_bytes_total 60',
      'certmill_process_disk_written_bytes_total 70',
    ]);
  });

  it('are absent where the kernel does not tell', async () => {
    const registry = new Registry();
    registerProcessIo(registry, () => Promise.reject(new Error('no such file')));
    expect(await samplesOf(registry)).toEqual([]);
  });

  (process.platform === 'linux' ? it : it.skip)('are of this process', async () => {
    const registry = new Registry();
    registerProcessIo(registry, undefined, 0);
    const read = async (): Promise<number> => {
      const lines = await samplesOf(registry);
      return Number(lines[0]?.split(' ')[1]);
    };
    const before = await read();
    const { length } = await readFile(fileURLToPath(import.meta.url));
    expect((await read()) - before).toBeGreaterThanOrEqual(length);
  });
});
