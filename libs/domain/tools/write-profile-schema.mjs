// Writes docs/profile.schema.json after a change of the profile file's schema:
//   node libs/domain/tools/write-profile-schema.mjs
import { writeFileSync } from 'node:fs';
import { profileFileJsonSchema } from '../dist/profile-files.js';

const file = new URL('../../../docs/profile.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(profileFileJsonSchema(), undefined, 2)}\n`);
