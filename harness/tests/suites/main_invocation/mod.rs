//! The meaning of the words after the image in `docker run IMAGE …`. They reach the program unchanged.

mod arguments;
mod environment;
mod exit_codes;
mod identity;
mod streams;
mod words;
