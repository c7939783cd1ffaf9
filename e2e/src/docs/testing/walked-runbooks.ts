/**
 * Runbooks whose commands are typed as they stand, in this order, in one folder that is empty at first:
 * each goes on where the one before ended.
 */
export const walkedRunbooks = [
  'ceremony-root.md',
  'ceremony-issuer.md',
  'key-backup.md',
  'key-restore.md',
  'key-destruction.md',
] as const;
