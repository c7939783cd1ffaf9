import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../../../test-data/certificates');

function certificate(name: string): Buffer {
  return readFileSync(join(folder, `${name}.der`));
}

/** Self-signed certificates of OpenSSL whose keys were thrown away. */
export const certificates = [
  certificate('ca'),
  certificate('1'),
  certificate('2'),
  certificate('3'),
] as const;
