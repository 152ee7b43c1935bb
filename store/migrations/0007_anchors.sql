-- The newest anchor of a kind, and a kind's anchors one after the other. No new tables.
create index anchor_kind on audit.anchor (kind, size);
