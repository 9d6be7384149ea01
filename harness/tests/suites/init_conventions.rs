//! An image built `FROM` ours adds its own services and scripts in the way of s6-overlay v3, and they work.

mod environment;
mod faults;
mod insight;
mod sample_image;
mod scripts;
mod services;
