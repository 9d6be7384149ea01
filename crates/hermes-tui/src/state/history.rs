//! The earlier messages of the person, which Up and Down bring back.

/// The messages, and the one that is shown.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: Vec<String>,
    /// The index of the shown one. `None`: the message that the person writes.
    at: Option<usize>,
    /// The message that the person was writing.
    draft: String,
}

impl History {
    pub(crate) fn set(&mut self, entries: Vec<String>) {
        self.entries = entries;
        self.at = None;
    }

    /// Returns the message before the shown one. `current` is the text of the field.
    pub(crate) fn older(&mut self, current: &str) -> Option<String> {
        let next = self.at.unwrap_or(self.entries.len()).checked_sub(1)?;
        if self.at.is_none() {
            current.clone_into(&mut self.draft);
        }
        self.at = Some(next);
        self.entries.get(next).cloned()
    }

    /// Returns the message after the shown one. The last is the draft.
    pub(crate) fn newer(&mut self) -> Option<String> {
        let next = self.at? + 1;
        if next < self.entries.len() {
            self.at = Some(next);
            return self.entries.get(next).cloned();
        }
        self.at = None;
        Some(std::mem::take(&mut self.draft))
    }

    pub(crate) fn reset(&mut self) {
        self.at = None;
        self.draft.clear();
    }
}
