//! What a boot makes of the volume before any service runs: whose is what, what is made, what is left alone, and what it
//! says when it cannot.

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
