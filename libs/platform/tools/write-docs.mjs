// Writes docs/errors.md, docs/openapi.json and docs/profile.schema.json from the built code.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { profileFileJsonSchema } from '@certmill/domain/profile-files';
import { openApiDocument } from '../dist/http.js';
import { errorsDocument } from '../dist/index.js';

const docs = join(import.meta.dirname, '../../../docs');
writeFileSync(join(docs, 'errors.md'), errorsDocument());
writeFileSync(join(docs, 'openapi.json'), `${JSON.stringify(await openApiDocument(), null, 2)}\n`);
writeFileSync(
  join(docs, 'profile.schema.json'),
  `${JSON.stringify(profileFileJsonSchema(), null, 2)}\n`,
);
