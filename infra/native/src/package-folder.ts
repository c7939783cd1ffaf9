import { join } from 'node:path';

/** Of this package, where its Java and C sources are. */
export const packageFolder = join(import.meta.dirname, '..');
/** Of the whole repository. */
export const repositoryFolder = join(packageFolder, '..', '..');
