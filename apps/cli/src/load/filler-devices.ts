import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * An allow-list of `devices` rows in which the given ones stand scattered among others that never come:
 * what a large programme's list looks like to one of its batches. Returns the list's file.
 */
export async function addFillerDevices(allowListFile: string, devices: number): Promise<string> {
  const rows: string[] = [];
  let header = '';
  for await (const line of createInterface({ input: createReadStream(allowListFile) })) {
    if (header === '') header = line;
    else rows.push(line);
  }
  if (devices <= rows.length) return allowListFile;
  shuffle(rows);
  const file = `${allowListFile}.large.csv`;
  const out = createWriteStream(file, { highWaterMark: 1 << 20 });
  out.write(`${header}\n`);
  const every = devices / rows.length;
  let taken = 0;
  for (let i = 0; i < devices; i++) {
    let row = rows[taken];
    if (row !== undefined && i >= taken * every) taken++;
    else {
      const random = randomBytes(40).toString('hex');
      row = `filler-${random.slice(0, 16)},${random.slice(16)},${String(i)}`;
    }
    if (!out.write(`${row}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return file;
}

function shuffle(rows: string[]): void {
  for (let i = rows.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const row = rows[i] ?? '';
    rows[i] = rows[j] ?? '';
    rows[j] = row;
  }
}
