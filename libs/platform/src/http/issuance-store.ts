import type {
  AllowListStore,
  AuditStore,
  BatchStore,
  CertificateStore,
  CrlStore,
  MassOperationStore,
  OrderStore,
  ProfileStore,
  RevocationStore,
  TenantStore,
  VerdictStore,
} from '@certmill/ports';

/** All store ports that the HTTP face needs, over one place of storage. */
export type IssuanceStore = TenantStore &
  ProfileStore &
  OrderStore &
  AllowListStore &
  BatchStore &
  VerdictStore &
  CertificateStore &
  RevocationStore &
  CrlStore &
  AuditStore &
  MassOperationStore;
