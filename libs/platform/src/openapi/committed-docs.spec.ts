import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorsDocument } from '../problem/errors-document.js';
import { openApiDocument } from './open-api-document.js';

const docs = join(import.meta.dirname, '../../../../docs');

describe('the committed documents', () => {
  it('describe the routes as they are: run `npm run docs` where they do not', async () => {
    const committed: unknown = JSON.parse(readFileSync(join(docs, 'openapi.json'), 'utf8'));
    expect(JSON.parse(JSON.stringify(await openApiDocument()))).toEqual(committed);
  });

  it('list the errors as they are', () => {
    expect(readFileSync(join(docs, 'errors.md'), 'utf8')).toBe(errorsDocument());
  });

  it('tell every route what its path parameters and answers are', async () => {
    const { paths } = await openApiDocument();
    for (const [path, item] of Object.entries(paths)) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(item) as readonly Operation[]) {
        const described = (operation.parameters ?? [])
          .filter((parameter) => parameter.in === 'path')
          .map((parameter) => parameter.name);
        expect([path, described.sort()]).toEqual([path, names.sort()]);
        expect(Object.keys(operation.responses)).toContain('default');
      }
    }
  });
});

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}
