import { randomUUID } from 'node:crypto';
import type {
  CrlScope,
  RevocationStore,
  RevokedCertificate,
  RevokedPageRequest,
} from '@certmill/ports';

/** Rows of a page: a few hundred KiB. */
const rowsPerPage = 10_000;

/**
 * All that a scope lists, page by page as one listing, so that a store that seals its rows has checked them
 * all at the end. Nothing is to be signed of earlier pages before.
 * @param which As of `RevocationStore.listRevoked`.
 * Faults: the store's, FAULT_STATUS_FORGED with the last page; FAULT_OVERLOADED where it has to begin anew.
 */
export async function* listScope(
  revocations: Pick<RevocationStore, 'listRevoked'>,
  scope: CrlScope,
  which: Pick<RevokedPageRequest, 'changedSince' | 'without'> = {},
): AsyncGenerator<readonly RevokedCertificate[]> {
  const listing = randomUUID();
  let after: Uint8Array | undefined;
  for (;;) {
    const page = await revocations.listRevoked(scope, {
      limit: rowsPerPage,
      listing,
      ...which,
      ...(after === undefined ? {} : { after }),
    });
    yield page;
    after = page.at(-1)?.serialNumber;
    if (after === undefined || page.length < rowsPerPage) return;
  }
}
