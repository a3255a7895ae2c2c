// What the database file holds: its tables, as the steps by which each version of it is made out of the one before.

/** "TGAT", in the file's header: that it is ours, and not some other program's. */
export const applicationId = 0x54474154;

/**
 * Step n makes version n + 1 (SQLite's `user_version`). A step that was released is never changed, only followed.
 * Other parts make tables of their own where those are missing.
 */
export const schema: readonly string[] = [
  // A revoked key keeps its label, which another may then have. `revision` grows with each change of any key, so that
  // a reader asks only for what is new; a change by hand counts as well.
  `CREATE TABLE keys (
     id TEXT PRIMARY KEY,
     label TEXT NOT NULL COLLATE NOCASE,
     revoked INTEGER NOT NULL,
     document TEXT NOT NULL,
     revision INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE UNIQUE INDEX keys_by_label ON keys (label) WHERE NOT revoked;
   CREATE INDEX keys_by_revision ON keys (revision);
   CREATE TRIGGER key_added AFTER INSERT ON keys BEGIN
     UPDATE keys SET revision = (SELECT max(revision) + 1 FROM keys) WHERE id = NEW.id;
   END;
   CREATE TRIGGER key_changed AFTER UPDATE OF label, revoked, document ON keys BEGIN
     UPDATE keys SET revision = (SELECT max(revision) + 1 FROM keys) WHERE id = NEW.id;
   END;`,
];
