//! The slash commands of a conversation.

use hermes_operations::{Report, ReportKind};

/// A command that a person types instead of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlashCommand {
    /// Begins a session.
    New,
    /// Sends the last message again.
    Retry,
    /// Takes back the last message and its answer.
    Undo,
    /// Names the session.
    Title(String),
    /// Compacts the history.
    Compact,
    /// Interrupts the turn.
    Stop,
    /// Sends a message after the turn.
    Queue(String),
    /// Goes on with a session.
    Resume(String),
    /// Lists the sessions.
    Sessions,
    /// Shows the state of the session.
    Status,
    /// Shows the tokens.
    Usage,
    /// Shows the model, or changes it.
    Model(Option<String>),
    /// Shows the conversation.
    History,
    /// Writes the conversation to a file.
    Save(String),
    /// Lists the commands.
    Help,
    /// Leaves.
    Quit,
}

/// The meaning of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A message to the model.
    Message,
    /// A command.
    Command(SlashCommand),
    /// A command with a fault.
    Fault(Fault),
}

/// A fault of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// No command has this name, but this one is similar.
    Unknown {
        /// The word, without the `/`.
        word: String,
        /// The similar name.
        similar: &'static str,
    },
    /// The command lacks its argument.
    Lacks {
        /// The name.
        name: &'static str,
        /// The argument, as the help names it.
        argument: &'static str,
    },
    /// The command takes no argument.
    TakesNone {
        /// The name.
        name: &'static str,
    },
}

impl Fault {
    /// Returns the failure, as a person reads it.
    pub fn report(&self) -> Report {
        match self {
            Self::Unknown { word, similar } => {
                Report::new(ReportKind::Invalid, format!("there is no command /{word}"))
                    .hint(format!("did you mean /{similar}? To send the text, put a space before it"))
            }
            Self::Lacks { name, argument } => {
                Report::new(ReportKind::Invalid, format!("the command /{name} lacks its argument"))
                    .hint(format!("write /{name} {argument}"))
            }
            Self::TakesNone { name } => {
                Report::new(ReportKind::Invalid, format!("the command /{name} takes no argument"))
                    .hint(format!("write /{name} alone. To send the text, put a space before it"))
            }
        }
    }
}

/// The way to make a command.
enum Make {
    Alone(SlashCommand),
    With(&'static str, fn(String) -> SlashCommand),
    Optional(&'static str, fn(Option<String>) -> SlashCommand),
}

struct Definition {
    name: &'static str,
    /// A second name: the one of the Python program, or the one that shells use.
    alias: Option<&'static str>,
    make: Make,
    help: &'static str,
}

const fn command(name: &'static str, make: Make, help: &'static str) -> Definition {
    Definition { name, alias: None, make, help }
}

const fn aliased(name: &'static str, alias: &'static str, make: Make, help: &'static str) -> Definition {
    Definition { name, alias: Some(alias), make, help }
}

/// All commands, in the order of the help.
const COMMANDS: &[Definition] = &[
    command("new", Make::Alone(SlashCommand::New), "begin a session"),
    command("retry", Make::Alone(SlashCommand::Retry), "send the last message again"),
    command("undo", Make::Alone(SlashCommand::Undo), "take back the last message and its answer"),
    command("title", Make::With("TEXT", SlashCommand::Title), "name the session"),
    aliased(
        "compact",
        "compress",
        Make::Alone(SlashCommand::Compact),
        "replace the older history by a summary",
    ),
    command("stop", Make::Alone(SlashCommand::Stop), "interrupt the answer"),
    command("queue", Make::With("TEXT", SlashCommand::Queue), "send a message after the answer"),
    command("resume", Make::With("ID", SlashCommand::Resume), "go on with a session, by ID or title"),
    command("sessions", Make::Alone(SlashCommand::Sessions), "list the sessions"),
    command("status", Make::Alone(SlashCommand::Status), "show the session, the model and the turn"),
    command("usage", Make::Alone(SlashCommand::Usage), "show the tokens of the session"),
    command("model", Make::Optional("[NAME]", SlashCommand::Model), "show or change the model"),
    command("history", Make::Alone(SlashCommand::History), "show the conversation"),
    command("save", Make::With("FILE", SlashCommand::Save), "write the conversation to a file"),
    command("help", Make::Alone(SlashCommand::Help), "list the commands"),
    aliased("quit", "exit", Make::Alone(SlashCommand::Quit), "leave"),
];

/// Reads a line. It is a command only if its first word is the name of one. A path, `//` and a space at the beginning make a message.
pub fn parse(line: &str) -> Line {
    let Some(rest) = line.strip_prefix('/') else { return Line::Message };
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let argument = argument.trim();
    let word = word.to_lowercase();
    match COMMANDS.iter().find(|known| known.name == word || known.alias == Some(&word)) {
        Some(known) => known.with(argument),
        None => match similar(&word) {
            Some(similar) => Line::Fault(Fault::Unknown { word, similar }),
            None => Line::Message,
        },
    }
}

impl Definition {
    fn with(&self, argument: &str) -> Line {
        let argument = Some(argument).filter(|argument| !argument.is_empty()).map(str::to_owned);
        match (&self.make, argument) {
            (Make::Alone(command), None) => Line::Command(command.clone()),
            (Make::Alone(_), Some(_)) => Line::Fault(Fault::TakesNone { name: self.name }),
            (Make::With(_, make), Some(argument)) => Line::Command(make(argument)),
            (Make::With(word, _), None) => Line::Fault(Fault::Lacks { name: self.name, argument: word }),
            (Make::Optional(_, make), argument) => Line::Command(make(argument)),
        }
    }

    fn usage(&self) -> String {
        match self.make {
            Make::Alone(_) => format!("/{}", self.name),
            Make::With(argument, _) | Make::Optional(argument, _) => format!("/{} {argument}", self.name),
        }
    }

    fn takes_argument(&self) -> bool {
        !matches!(self.make, Make::Alone(_))
    }
}

/// Returns the commands that complete `line`, which ends at the cursor. A space follows one that takes an argument.
pub fn completions(line: &str) -> Vec<String> {
    let Some(word) = line.strip_prefix('/') else { return Vec::new() };
    let matching = COMMANDS.iter().filter(|known| known.name.starts_with(word));
    matching
        .map(|known| format!("/{}{}", known.name, if known.takes_argument() { " " } else { "" }))
        .collect()
}

/// Returns the lines of `/help`.
pub fn help() -> Vec<String> {
    let width = COMMANDS.iter().map(|known| known.usage().len()).max().unwrap_or(0);
    COMMANDS.iter().map(|known| format!("{:<width$}  {}", known.usage(), known.help)).collect()
}

/// Returns the command that `word` may mean: the one that it begins, or the one with the fewest different letters.
fn similar(word: &str) -> Option<&'static str> {
    if word.len() < 3 || !word.chars().all(|letter| letter.is_ascii_alphabetic()) {
        return None;
    }
    let names = || COMMANDS.iter().map(|known| known.name);
    let mut begun = names().filter(|name| name.starts_with(word));
    if let (Some(only), None) = (begun.next(), begun.next()) {
        return Some(only);
    }
    let limit = if word.len() > 4 { 2 } else { 1 };
    let close = names().map(|name| (distance(word, name), name)).filter(|(distance, _)| *distance <= limit);
    close.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Returns the number of letters to insert, remove, replace or swap (the optimal string alignment distance).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, against) in other.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != against);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *against {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/new", SlashCommand::New)]
    #[case("/retry ", SlashCommand::Retry)]
    #[case("/UNDO", SlashCommand::Undo)]
    #[case("/title  My trip ", SlashCommand::Title("My trip".into()))]
    #[case("/compress", SlashCommand::Compact)]
    #[case("/queue then\nthis", SlashCommand::Queue("then\nthis".into()))]
    #[case("/resume 01ab", SlashCommand::Resume("01ab".into()))]
    #[case("/model", SlashCommand::Model(None))]
    #[case("/model small", SlashCommand::Model(Some("small".into())))]
    #[case("/save /tmp/talk.md", SlashCommand::Save("/tmp/talk.md".into()))]
    #[case("/exit", SlashCommand::Quit)]
    fn a_known_word_is_a_command(#[case] line: &str, #[case] command: SlashCommand) {
        assert_eq!(parse(line), Line::Command(command));
    }

    #[rstest]
    #[case("/hlep", "help")]
    #[case("/titel My trip", "title")]
    #[case("/sess", "sessions")]
    #[case("/modle", "model")]
    #[case("/quitt", "quit")]
    fn a_misspelt_command_is_answered_with_a_similar_one(#[case] line: &str, #[case] expected: &str) {
        let Line::Fault(Fault::Unknown { similar, .. }) = parse(line) else { panic!("{:?}", parse(line)) };
        assert_eq!(similar, expected);
    }

    #[rstest]
    #[case("")]
    #[case("hello")]
    #[case("//new is a comment")]
    #[case("/etc/hosts is empty")]
    #[case("/")]
    #[case("/ new")]
    #[case(" /new")]
    #[case("/tmp")]
    #[case("/usr is full")]
    #[case("/home")]
    #[case("/root")]
    #[case("/boot")]
    #[case("/mnt")]
    #[case("/proc")]
    #[case("/var")]
    #[case("/new/york")]
    #[case("/s")]
    fn a_path_or_another_text_is_a_message(#[case] line: &str) {
        assert_eq!(parse(line), Line::Message);
    }

    #[test]
    fn a_fault_says_the_next_step() {
        let lines = |line: &str| match parse(line) {
            Line::Fault(fault) => fault.report().lines().join("\n"),
            other => panic!("{other:?}"),
        };
        insta::assert_snapshot!(["/hlep", "/title", "/new york"].map(lines).join("\n\n"));
    }

    #[test]
    fn tab_completes_names_of_commands() {
        assert_eq!(completions("/s"), ["/stop", "/sessions", "/status", "/save "]);
        assert_eq!(completions("/").len(), COMMANDS.len());
        assert_eq!(completions("/save f"), [""; 0]);
        assert_eq!(completions("say /s"), [""; 0]);
    }

    #[test]
    fn the_help_lists_each_command() {
        insta::assert_snapshot!(help().join("\n"));
    }

    proptest! {
        #[test]
        fn any_line_is_read(line: String) {
            let is_message = parse(&line) == Line::Message;
            prop_assert!(is_message || line.starts_with('/'));
        }

        #[test]
        fn each_completion_is_a_known_command(prefix in "/[a-z]{0,3}") {
            for completion in completions(&prefix) {
                let is_unknown = matches!(parse(&completion), Line::Message | Line::Fault(Fault::Unknown { .. }));
                prop_assert!(!is_unknown, "{completion}");
            }
        }
    }
}
