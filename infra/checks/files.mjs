import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

// infra/ is no package: `yaml` is what the services read their configuration with.
const require = createRequire(new URL('../../libs/fleet/package.json', import.meta.url));
const { parse, parseAllDocuments } = require('yaml');

export const readText = (path) => readFileSync(new URL(path, `file://${root}`), 'utf8');
export const readYaml = (path) => parse(readText(path), { merge: true });
export const readJson = (path) => JSON.parse(readText(path));

/** The objects of a stream of YAML documents, empty ones left out. */
export function objectsOf(text) {
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS();
    })
    .filter((object) => object !== null);
}

export { parse as parseYaml };
