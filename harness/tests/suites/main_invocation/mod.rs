//! What stands behind the image in `docker run IMAGE …`, and that nothing of it is lost on the way to the program
//! (`contract.md` §2).

mod arguments;
mod environment;
mod exit_codes;
mod identity;
mod streams;
mod words;
