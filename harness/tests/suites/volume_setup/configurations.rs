//! Configurations of earlier versions.
