import type { Command } from 'commander';
import { guardWithQuorum } from '../ceremony/quorum-gate.js';
import type { Terminal } from '../terminal/terminal.js';
import { revokeCommand } from './revoke.js';

/** `certmill revoke` of many in a data folder, under the quorum of an installation that has one. */
export function guardedRevokeCommand(terminal: Terminal): Command {
  return guardWithQuorum(terminal, revokeCommand(terminal), {
    kind: 'mass-revocation',
    files: ['file'],
    isSensitive: ({ order, batch, issuer, file, server, dryRun }) =>
      server === undefined &&
      dryRun !== true &&
      [order, batch, issuer, file].some((selection) => selection !== undefined),
  });
}
