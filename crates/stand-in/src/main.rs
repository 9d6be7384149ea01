//! A scripted model server.

fn main() {}
