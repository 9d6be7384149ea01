//! Faults of a volume with gateways: unusable state files, full disks, removed profiles.

mod full_disk;
mod removed_profile;
mod state_file;
