import { takeDataFolder } from '@certmill/standalone/folder';

/** A data folder that no server works in; given back at the end of its scope. */
export function heldFolder(directory: string): { readonly directory: string } & Disposable {
  const folder = takeDataFolder(directory);
  return { directory: folder.directory, [Symbol.dispose]: () => folder.release() };
}
