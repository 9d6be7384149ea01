//! The account under other IDs: `HERMES_UID` and `HERMES_GID`, `PUID` and `PGID`, `--user`.

mod former_ids;
mod impossible;
mod refused_ids;
mod remapped;
