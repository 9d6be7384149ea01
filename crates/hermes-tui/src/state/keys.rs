//! The keys, as `?` lists them.

/// The keys and their effects, in the order of the help.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("Enter", "send the message"),
    ("Alt+Enter, Ctrl+J", "begin a line"),
    ("Up, Down", "earlier and later messages"),
    ("Tab", "complete a /command or an @file"),
    ("Ctrl+G", "write the message in $VISUAL or $EDITOR"),
    ("Ctrl+C", "interrupt the answer; twice leaves"),
    ("Ctrl+D", "leave, if the message is empty"),
    ("Ctrl+Z", "suspend; fg continues"),
    ("Page Up, Page Down, wheel", "scroll the conversation"),
    ("Ctrl+Home, Ctrl+End", "go to the beginning, go to the end"),
    ("Ctrl+T", "show or hide the output of tools"),
    ("F1, ?", "show the keys; ? if the message is empty"),
    ("F2", "sessions: type to search, Enter opens"),
    ("F3", "agents: start, stop, restart, show the log"),
    ("F4", "log of this agent"),
    ("F5", "tokens and budget"),
    ("Esc", "close a panel"),
];
