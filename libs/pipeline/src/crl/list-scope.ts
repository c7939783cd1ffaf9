import { randomUUID } from 'node:crypto';
import type { CrlScope, RevocationStore, RevokedCertificate } from '@certmill/ports';

/** Rows of a page: a few hundred KiB. */
const rowsPerPage = 10_000;

/**
 * All that a scope lists, page by page as one listing, so that a store that seals its rows has checked them
 * all at the end. Nothing is to be signed of earlier pages before.
 * @param changedSince As of `RevocationStore.listRevoked`.
 * Faults: the store's, FAULT_STATUS_FORGED with the last page; FAULT_OVERLOADED where it has to begin anew.
 */
export async function* listScope(
  revocations: Pick<RevocationStore, 'listRevoked'>,
  scope: CrlScope,
  changedSince?: number,
): AsyncGenerator<readonly RevokedCertificate[]> {
  const listing = randomUUID();
  const since = changedSince === undefined ? {} : { changedSince };
  let after: Uint8Array | undefined;
  for (;;) {
    const page = await revocations.listRevoked(scope, {
      limit: rowsPerPage,
      listing,
      ...since,
      ...(after === undefined ? {} : { after }),
    });
    yield page;
    after = page.at(-1)?.serialNumber;
    if (after === undefined || page.length < rowsPerPage) return;
  }
}
