//! What can be wrong with a volume that gateways run on: state files that are none, disks without room, profiles that
//! are gone.

mod full_disk;
mod removed_profile;
mod state_file;
