import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { CertmillError } from '@certmill/domain';

/** Of the database and of every file beside it; n-1 is read. */
const formatVersion = 3;

const storeEpochBytes = 16;
const keySecretBytes = 32;

/** Rows stay when their chunk ends: they tell what was retried or dropped. */
const deadLetters = `
CREATE TABLE dead_letters (
  batch_seq INTEGER NOT NULL, chunk_number INTEGER NOT NULL, code TEXT NOT NULL,
  detail TEXT NOT NULL, stage TEXT NOT NULL, topic TEXT NOT NULL, place TEXT NOT NULL,
  at_ms INTEGER NOT NULL, retried_at_ms INTEGER, PRIMARY KEY (batch_seq, chunk_number)
) STRICT, WITHOUT ROWID;`;

/**
 * What is revoked, by scope of its CRL (ADR 0020); `change` is the scope's count of changes at the row's
 * last one, the other counts tell what follows from the scope has. A released row stays, for delta CRLs.
 * `sealed`: of all rows of the scope together (ScopeSums).
 */
const revocations = `
CREATE TABLE crl_scopes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, issuer TEXT NOT NULL, shard INTEGER NOT NULL,
  changes INTEGER NOT NULL DEFAULT 0, changed_at_ms INTEGER NOT NULL DEFAULT 0,
  full_changes INTEGER NOT NULL DEFAULT 0, delta_changes INTEGER NOT NULL DEFAULT 0,
  presigned_changes INTEGER NOT NULL DEFAULT 0,
  sealed BLOB NOT NULL DEFAULT x'',
  UNIQUE (issuer, shard)
) STRICT;
CREATE TABLE revocations (
  scope_seq INTEGER NOT NULL, serial_number BLOB NOT NULL, reason INTEGER NOT NULL,
  revoked_at_ms INTEGER NOT NULL, invalidity_date_ms INTEGER, not_after_ms INTEGER NOT NULL,
  change INTEGER NOT NULL, PRIMARY KEY (scope_seq, serial_number),
  CHECK (length(serial_number) = 20)
) STRICT, WITHOUT ROWID;
CREATE TABLE crls (
  issuer TEXT NOT NULL, shard INTEGER NOT NULL, kind TEXT NOT NULL, crl_number TEXT NOT NULL,
  this_update_ms INTEGER NOT NULL, next_update_ms INTEGER NOT NULL, entries INTEGER NOT NULL,
  changes INTEGER NOT NULL, has_deltas INTEGER NOT NULL, file_id TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 BLOB NOT NULL,
  seal BLOB NOT NULL, PRIMARY KEY (issuer, shard, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, tenant TEXT, actor TEXT NOT NULL,
  action TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;`;

/** JSON are `operation`, `outcome` and the pages of frozen selections, which never change. Few operations run. */
const massOperations = `
CREATE TABLE mass_operations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, operation_id TEXT NOT NULL,
  version INTEGER NOT NULL, state TEXT NOT NULL, operation TEXT NOT NULL,
  UNIQUE (tenant, operation_id)
) STRICT;
CREATE INDEX running_mass_operations ON mass_operations (seq) WHERE state = 'running';
CREATE TABLE frozen_pages (
  tenant TEXT NOT NULL, freeze_id TEXT NOT NULL, page INTEGER NOT NULL,
  operation_id TEXT NOT NULL, batches TEXT NOT NULL, PRIMARY KEY (tenant, freeze_id, page)
) STRICT, WITHOUT ROWID;
CREATE TABLE mass_outcomes (
  tenant TEXT NOT NULL, operation_id TEXT NOT NULL, batch INTEGER NOT NULL,
  chunk_number INTEGER NOT NULL, is_pending INTEGER NOT NULL, outcome TEXT NOT NULL,
  PRIMARY KEY (tenant, operation_id, batch, chunk_number)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_mass_outcomes ON mass_outcomes (tenant, operation_id, batch, chunk_number)
  WHERE is_pending = 1;`;

/**
 * Certificates are not in here: `chunks` points into segment files. Rows come in order of time, and
 * what has random keys (claims, index) is in packed runs, with the entries since their last flush in
 * the two journals.
 */
const tables = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE tenants (
  tenant TEXT PRIMARY KEY, created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE credentials (
  key_hash TEXT PRIMARY KEY, tenant TEXT NOT NULL, role TEXT NOT NULL, label TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_of_tenant ON credentials (tenant, created_at_ms, key_hash);
CREATE TABLE profiles (
  tenant TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, hash TEXT NOT NULL,
  canonical TEXT NOT NULL, added_at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, name, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX profiles_by_hash ON profiles (tenant, hash);
CREATE TABLE orders (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, order_id TEXT NOT NULL,
  profile_name TEXT NOT NULL, profile_hash TEXT NOT NULL, issuer TEXT NOT NULL,
  quota INTEGER NOT NULL, reserved INTEGER NOT NULL DEFAULT 0,
  requires_allow_list INTEGER NOT NULL, renews INTEGER NOT NULL DEFAULT 0,
  reissues INTEGER NOT NULL DEFAULT 0, created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL, closed_at_ms INTEGER, allow_list_id TEXT,
  allow_list_devices INTEGER, UNIQUE (tenant, order_id),
  CHECK (reserved BETWEEN 0 AND quota)
) STRICT;
CREATE TABLE batches (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, batch_id TEXT NOT NULL,
  order_id TEXT NOT NULL, lane TEXT NOT NULL, idempotency_key TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL, next_index INTEGER NOT NULL DEFAULT 0, total INTEGER,
  cancelled_at_ms INTEGER, completed_at_ms INTEGER, broken_off_at_ms INTEGER,
  accepted INTEGER NOT NULL DEFAULT 0,
  issued INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0, dead_lettered INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, batch_id),
  CHECK (accepted >= issued + rejected + cancelled + dead_lettered)
) STRICT;
CREATE INDEX batches_of_order ON batches (tenant, order_id, seq);
CREATE TABLE chunks (
  batch_seq INTEGER NOT NULL, chunk_number INTEGER NOT NULL, first_index INTEGER NOT NULL,
  count INTEGER NOT NULL, digest BLOB NOT NULL, received_at_ms INTEGER NOT NULL,
  sign_before_ms INTEGER NOT NULL, serial_key_id INTEGER NOT NULL,
  confirmed INTEGER NOT NULL DEFAULT 0, dead_letter_cause TEXT,
  segment_file INTEGER, segment_offset INTEGER, segment_length INTEGER, not_after_ms INTEGER,
  PRIMARY KEY (batch_seq, chunk_number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX chunks_by_index ON chunks (batch_seq, first_index);
${deadLetters}
CREATE TABLE verdicts (
  batch_seq INTEGER NOT NULL, chunk_number INTEGER NOT NULL, verdict BLOB NOT NULL,
  PRIMARY KEY (batch_seq, chunk_number)
) STRICT, WITHOUT ROWID;
CREATE TABLE statuses (
  batch_seq INTEGER NOT NULL, request_index INTEGER NOT NULL, state TEXT NOT NULL,
  reason INTEGER, at_ms INTEGER, invalidity_date_ms INTEGER,
  PRIMARY KEY (batch_seq, request_index)
) STRICT, WITHOUT ROWID;
${revocations}
${massOperations}
CREATE TABLE segment_files (file INTEGER PRIMARY KEY, length INTEGER NOT NULL) STRICT;
CREATE TABLE run_lists (
  map TEXT PRIMARY KEY, names TEXT NOT NULL, position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE claims_journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, entries BLOB NOT NULL
) STRICT;
CREATE TABLE index_journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, entries BLOB NOT NULL
) STRICT;
CREATE TABLE jobs (
  queue TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, run_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting',
  PRIMARY KEY (queue, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_due ON jobs (queue, state, run_at_ms);
`;

/** Random values that belong to one store. */
export interface StoreIdentity {
  /** 16 octets. */
  readonly epoch: Uint8Array;
  /** 32 octets: keys the hashes of claims and index. */
  readonly keySecret: Uint8Array;
}

/**
 * Makes the tables of a new store, or checks that this release can read them. A database without an
 * epoch is a restored backup and gets a new one, so that no batch id of before can come again: uploads
 * that were not whole cannot be resumed, and are broken off with that.
 * Faults: DATA_FORMAT_UNSUPPORTED.
 */
export function prepareSchema(db: DatabaseSync, path: string, nowMs: number): StoreIdentity {
  const row = db.prepare('PRAGMA user_version').get();
  const version = row?.['user_version'];
  if (version === 0) create(db);
  else if (typeof version !== 'number' || version > formatVersion) {
    throw new CertmillError(
      'DATA_FORMAT_UNSUPPORTED',
      `${path} has store format ${String(version)}, this version reads ${String(formatVersion)}`,
    );
  }
  if (version === 1) upgradeFrom1(db);
  if (version === 1 || version === 2) upgradeFrom2(db);
  const hasEpoch = db.prepare("SELECT 1 FROM meta WHERE name = 'store_epoch'").get() !== undefined;
  if (!hasEpoch) beginEpoch(db, nowMs);
  return { epoch: metaBytes(db, 'store_epoch'), keySecret: metaBytes(db, 'key_secret') };
}

function beginEpoch(db: DatabaseSync, nowMs: number): void {
  db.exec('BEGIN IMMEDIATE');
  db.prepare("INSERT INTO meta VALUES ('store_epoch', ?)").run(randomBytes(storeEpochBytes));
  db.prepare(
    `UPDATE batches SET broken_off_at_ms = ?1, completed_at_ms = CASE
       WHEN accepted = issued + rejected + cancelled + dead_lettered THEN ?1 END
     WHERE total IS NULL AND cancelled_at_ms IS NULL`,
  ).run(nowMs);
  db.exec('COMMIT');
}

function create(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  db.exec(tables);
  db.prepare("INSERT INTO meta VALUES ('key_secret', ?)").run(randomBytes(keySecretBytes));
  db.prepare("INSERT INTO meta VALUES ('last_issuance_ms', 0)").run();
  db.exec(`PRAGMA user_version = ${String(formatVersion)}`);
  db.exec('COMMIT');
}

/** Format 1 kept the code of a dead letter only: its chunk can be dropped, not retried. */
function upgradeFrom1(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  db.exec(deadLetters);
  db.exec(
    `INSERT INTO dead_letters
       SELECT batch_seq, chunk_number, dead_letter_cause, '', 'validate', '', '', received_at_ms, NULL
       FROM chunks WHERE dead_letter_cause IS NOT NULL`,
  );
  db.exec('ALTER TABLE batches ADD COLUMN broken_off_at_ms INTEGER');
  db.exec('PRAGMA user_version = 2');
  db.exec('COMMIT');
}

/**
 * No release of format 2 could revoke or renew: its statuses are those of tests at most. When its
 * certificates end is not noted, so they keep their claims until they are revoked or renewed.
 */
function upgradeFrom2(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  db.exec('ALTER TABLE statuses ADD COLUMN invalidity_date_ms INTEGER');
  db.exec('ALTER TABLE orders ADD COLUMN renews INTEGER NOT NULL DEFAULT 0');
  db.exec('ALTER TABLE orders ADD COLUMN reissues INTEGER NOT NULL DEFAULT 0');
  db.exec('ALTER TABLE chunks ADD COLUMN not_after_ms INTEGER');
  db.exec(revocations);
  db.exec(massOperations);
  db.exec('PRAGMA user_version = 3');
  db.exec('COMMIT');
}

function metaBytes(db: DatabaseSync, name: string): Uint8Array {
  const value = db.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.['value'];
  if (value instanceof Uint8Array) return value;
  throw new CertmillError('FAULT_STORE_CORRUPT', `the database lacks its ${name}`);
}

/** Takes away what must not come back when this copy of a database is put in the place of a store. */
export function markAsBackup(db: DatabaseSync): void {
  db.exec("DELETE FROM meta WHERE name = 'store_epoch'");
}
