import { join, resolve } from 'node:path';
import { repositoryFolder } from '../package-folder.js';

/** Where installed servers are kept: CERTMILL_NATIVE_CACHE, else .cache/native of the repository. */
export function cacheFolder(): string {
  const given = process.env['CERTMILL_NATIVE_CACHE'];
  return given === undefined || given === ''
    ? join(repositoryFolder, '.cache', 'native')
    : resolve(given);
}
