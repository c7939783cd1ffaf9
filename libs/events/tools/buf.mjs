// Where the tools of this folder find buf, its plug-ins and the protos.
import { delimiter, resolve } from 'node:path';

export const lib = resolve(import.meta.dirname, '..');

/** The environment with the workspace's own binaries first on the PATH. */
export function withLocalTools() {
  const bin = resolve(lib, '../../node_modules/.bin');
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };
}
