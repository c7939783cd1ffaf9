import type { Command } from 'commander';
import { guardWithQuorum } from '../ceremony/quorum-gate.js';
import type { Terminal } from '../terminal/terminal.js';
import { revokeCommand } from './revoke.js';

/** `certmill revoke` of many in a data folder, under the quorum of an installation that has one. */
export function guardedRevokeCommand(terminal: Terminal): Command {
  return guardWithQuorum(terminal, revokeCommand(terminal), {
    kind: 'mass-revocation',
    files: ['file'],
    isInFolder: ({ server }) => server === undefined,
    isSensitive: ({ order, batch, issuer, file, dryRun }) =>
      dryRun !== true && [order, batch, issuer, file].some((selection) => selection !== undefined),
  });
}
