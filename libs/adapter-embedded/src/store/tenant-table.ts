import type { DatabaseSync } from 'node:sqlite';
import { CertmillError, type Credential, type Role, type TenantId } from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import { cursorPlace, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, textIn, type Row } from './rows.js';

const roles: readonly Role[] = ['admin', 'operator', 'factory', 'auditor'];

/** Tenants and their credentials, as TenantStore of @certmill/ports has them. */
export class TenantTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  createTenant(tenant: TenantId, createdAtMs: number): boolean {
    const insert = this.#db.prepare('INSERT INTO tenants VALUES (?, ?) ON CONFLICT DO NOTHING');
    return insert.run(tenant, createdAtMs).changes === 1;
  }

  hasTenant(tenant: TenantId): boolean {
    return this.#db.prepare('SELECT 1 FROM tenants WHERE tenant = ?').get(tenant) !== undefined;
  }

  listTenants(page: PageRequest): Page<TenantId> {
    const limit = pageLimit(page);
    const rows = this.#db
      .prepare('SELECT tenant FROM tenants WHERE tenant > ? ORDER BY tenant LIMIT ?')
      .all(cursorPlace(page), limit + 1);
    const tenantOf = (row: Row): string => textIn(row, 'tenant');
    return pageOf(rows, limit, tenantOf, tenantOf);
  }

  addCredential(credential: Credential): void {
    const { keyHash, tenant, role, label, createdAtMs } = credential;
    const { changes } = this.#db
      .prepare('INSERT INTO credentials VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
      .run(keyHash, tenant, role, label, createdAtMs);
    if (changes === 0 && this.findCredential(keyHash)?.tenant !== tenant) {
      throw new CertmillError('CONFLICT', 'this key is a credential already');
    }
  }

  findCredential(keyHash: string): Credential | undefined {
    const row = this.#db.prepare('SELECT * FROM credentials WHERE key_hash = ?').get(keyHash);
    return row && credentialOf(row);
  }

  listCredentials(tenant: TenantId): readonly Credential[] {
    return this.#db
      .prepare('SELECT * FROM credentials WHERE tenant = ? ORDER BY created_at_ms, key_hash')
      .all(tenant)
      .map(credentialOf);
  }

  removeCredential(tenant: TenantId, keyHash: string): boolean {
    const remove = this.#db.prepare('DELETE FROM credentials WHERE tenant = ? AND key_hash = ?');
    return remove.run(tenant, keyHash).changes === 1;
  }
}

function credentialOf(row: Row): Credential {
  const role = roles.find((name) => name === row['role']);
  if (role === undefined) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a credential has an unknown role');
  }
  return {
    keyHash: textIn(row, 'key_hash'),
    tenant: textIn(row, 'tenant'),
    role,
    label: textIn(row, 'label'),
    createdAtMs: numberIn(row, 'created_at_ms'),
  };
}
