//! The s6 supervision suite: its programs, by absolute path, and the scan directory of the `hermes` account.

mod backend;
mod crashes;
mod poll;
mod register;
mod scandir;
mod service_manager;
mod slot;
mod status;

pub use backend::S6;
pub use crashes::{Crashes, Ending, Verdict};
pub use scandir::{SCANDIR, Slot, slots};
pub use slot::{IMAGE_PARTS, SlotError, SlotMaker};
pub use status::{SlotState, StatusError, is_surely_scanned, slot_state};
