// Writes docs/errors.md and docs/openapi.json from the built code.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from '../dist/http.js';
import { errorsDocument } from '../dist/index.js';

const docs = join(import.meta.dirname, '../../../docs');
writeFileSync(join(docs, 'errors.md'), errorsDocument());
writeFileSync(join(docs, 'openapi.json'), `${JSON.stringify(await openApiDocument(), null, 2)}\n`);
