import type { Role } from '@certmill/domain';

/** What a call does, as the guard sees it. */
export type Permission =
  | 'tenants:write'
  | 'orders:write'
  | 'orders:read'
  | 'batches:write'
  | 'batches:read'
  | 'dead-letters:read'
  | 'dead-letters:write'
  | 'certificates:read'
  | 'certificates:revoke'
  | 'operations:read'
  | 'operations:write'
  | 'audit:read'
  | 'profiles:write'
  | 'profiles:read';

const reading = [
  'orders:read',
  'batches:read',
  'certificates:read',
  'profiles:read',
  'dead-letters:read',
  'operations:read',
] as const;
const operating = [
  'orders:write',
  'batches:write',
  'profiles:write',
  'dead-letters:write',
  'certificates:revoke',
  'operations:write',
] as const;

/** Who may do what: the one table. */
export const permissionsOf: Readonly<Record<Role, readonly Permission[]>> = {
  admin: ['tenants:write', 'audit:read', ...operating, ...reading],
  operator: [...operating, ...reading],
  factory: ['batches:write', 'orders:read', 'batches:read', 'certificates:read'],
  auditor: ['audit:read', ...reading],
};
