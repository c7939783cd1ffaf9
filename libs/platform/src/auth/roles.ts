import type { Role } from '@certmill/domain';

/** What a call does, as the guard sees it. */
export type Permission =
  | 'tenants:write'
  | 'orders:write'
  | 'orders:read'
  | 'batches:write'
  | 'batches:read'
  | 'certificates:read'
  | 'profiles:write'
  | 'profiles:read';

const reading = ['orders:read', 'batches:read', 'certificates:read', 'profiles:read'] as const;

/** Who may do what: the one table. */
export const permissionsOf: Readonly<Record<Role, readonly Permission[]>> = {
  admin: ['tenants:write', 'orders:write', 'batches:write', 'profiles:write', ...reading],
  operator: ['orders:write', 'batches:write', 'profiles:write', ...reading],
  factory: ['batches:write', 'orders:read', 'batches:read', 'certificates:read'],
  auditor: reading,
};
