//! An image built `FROM` ours adds its own services and scripts in the way of s6-overlay v3, and they work.

mod environment;
mod faults;
mod insight;
mod orchard;
mod scripts;
mod services;
