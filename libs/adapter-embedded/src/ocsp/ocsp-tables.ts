/** It is made again from segments and statuses, so another format is thrown away. */
export const ocspFileVersion = 3;

/** A pair's id is that of its chunk's row times this, plus its place: a chunk has far fewer requests. */
export const pairsOfOne = 65_536;

/** An answer reads the row of its pair and that of the chunk, of some 800 octets in all. */
export const ocspTables = `
CREATE TABLE responses (
  id INTEGER PRIMARY KEY, batch_id TEXT NOT NULL, first_index INTEGER NOT NULL,
  count INTEGER NOT NULL, tenant TEXT NOT NULL, chunk_number INTEGER NOT NULL, issuer TEXT NOT NULL,
  responder TEXT NOT NULL, produced_at_ms INTEGER NOT NULL, this_update_ms INTEGER NOT NULL,
  next_update_ms INTEGER NOT NULL, digest TEXT NOT NULL, UNIQUE (batch_id, first_index)
) STRICT;
CREATE INDEX responses_ending ON responses (next_update_ms);
CREATE TABLE pairs (id INTEGER PRIMARY KEY, packed BLOB NOT NULL) STRICT;
CREATE TRIGGER pairs_end AFTER DELETE ON responses BEGIN
  DELETE FROM pairs WHERE id >= old.id * ${String(pairsOfOne)}
    AND id < (old.id + 1) * ${String(pairsOfOne)};
END;
CREATE TABLE responders (
  id TEXT PRIMARY KEY, issuer TEXT NOT NULL, certificate BLOB NOT NULL,
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
