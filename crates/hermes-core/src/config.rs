//! Configuration of a profile.
