//! The stored conversations of a profile, for commands.

use hermes_agent::store::{Store, StoreError};
use hermes_core::ProfileName;

use crate::context::Context;
use crate::output::note;

/// Opens the database of a profile. Prints what is unusual about it.
///
/// # Errors
/// The database cannot be opened.
pub(crate) fn open(context: &Context, profile: &ProfileName) -> Result<Store, StoreError> {
    let opened = Store::open(&context.home.database(profile))?;
    for notice in opened.notices {
        note!("hermes: {notice}");
    }
    Ok(opened.store)
}
