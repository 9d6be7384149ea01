//! The set-up of the volume before any service starts: owners, new files, untouched files, and messages about
//! failures.

mod bind_mounts;
mod configurations;
mod devices;
mod docker_socket;
mod first_boot;
mod homes;
mod ownership;
mod secret_files;
mod swaps;
mod unwritable;
mod warm_boots;
mod wrong_things;
