import type { DatabaseSync } from 'node:sqlite';
import { CertmillError, type TenantId } from '@certmill/domain';
import type { Page, PageRequest, StoredProfile } from '@certmill/ports';
import { cursorNameAndVersion, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, textIn, type Row } from './rows.js';

/** Each is up to 64 KiB. */
const maxPageProfiles = 100;

/** Profiles, as ProfileStore of @certmill/ports has them. */
export class ProfileTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  addProfile(profile: StoredProfile): void {
    const { tenant, name, version, hash, canonical, addedAtMs } = profile;
    const { changes } = this.#db
      .prepare('INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
      .run(tenant, name, version, hash, canonical, addedAtMs);
    if (changes === 1) return;
    const stored = this.#db
      .prepare('SELECT hash FROM profiles WHERE tenant = ? AND name = ? AND version = ?')
      .get(tenant, name, version);
    if (stored?.['hash'] !== hash) {
      throw new CertmillError(
        'CONFLICT',
        `profile ${name} version ${String(version)} is stored with other content`,
      );
    }
  }

  addProfileToAll(profile: Omit<StoredProfile, 'tenant'>): readonly TenantId[] {
    const { name, version, hash, canonical, addedAtMs } = profile;
    this.#db
      .prepare(
        `INSERT INTO profiles SELECT tenant, ?, ?, ?, ?, ? FROM tenants WHERE true
         ON CONFLICT DO NOTHING`,
      )
      .run(name, version, hash, canonical, addedAtMs);
    return this.#db
      .prepare(
        `SELECT tenant FROM profiles WHERE name = ? AND version = ? AND hash <> ?
         ORDER BY tenant LIMIT 100`,
      )
      .all(name, version, hash)
      .map((row) => textIn(row, 'tenant'));
  }

  getProfile(tenant: TenantId, hash: string): StoredProfile | undefined {
    const row = this.#db
      .prepare('SELECT * FROM profiles WHERE tenant = ? AND hash = ? LIMIT 1')
      .get(tenant, hash);
    return row && profileOf(row);
  }

  findProfile(tenant: TenantId, name: string): StoredProfile | undefined {
    const row = this.#db
      .prepare('SELECT * FROM profiles WHERE tenant = ? AND name = ? ORDER BY version DESC LIMIT 1')
      .get(tenant, name);
    return row && profileOf(row);
  }

  listProfiles(tenant: TenantId, page: PageRequest): Page<StoredProfile> {
    const limit = Math.min(pageLimit(page), maxPageProfiles);
    const [name, version] = cursorNameAndVersion(page);
    const rows = this.#db
      .prepare(
        `SELECT * FROM profiles WHERE tenant = ? AND (name, version) > (?, ?)
         ORDER BY name, version LIMIT ?`,
      )
      .all(tenant, name, version, limit + 1);
    return pageOf(
      rows,
      limit,
      profileOf,
      (row) => `${textIn(row, 'name')}/${String(numberIn(row, 'version'))}`,
    );
  }
}

function profileOf(row: Row): StoredProfile {
  return {
    tenant: textIn(row, 'tenant'),
    name: textIn(row, 'name'),
    version: numberIn(row, 'version'),
    hash: textIn(row, 'hash'),
    canonical: textIn(row, 'canonical'),
    addedAtMs: numberIn(row, 'added_at_ms'),
  };
}
