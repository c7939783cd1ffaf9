// Writes docs/ceremony.schema.json after a change of the ceremony file's schema:
//   node libs/trust/tools/write-ceremony-schema.mjs
import { writeFileSync } from 'node:fs';
import { ceremonyFileJsonSchema } from '../dist/ceremony.js';

const file = new URL('../../../docs/ceremony.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(ceremonyFileJsonSchema(), undefined, 2)}\n`);
