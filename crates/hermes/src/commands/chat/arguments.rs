//! The options of `hermes chat`.

use std::num::NonZeroU32;
use std::path::PathBuf;

/// Talk to the agent, or ask one question.
///
/// Example: hermes chat -q "What is in my workspace?"
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("form").args(["quiet", "json", "events"]))]
pub(crate) struct Arguments {
    /// Ask this, print the answer, and leave. Standard input follows the text, unless it is a terminal.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) query: Option<String>,

    /// Print the answer alone; the session's ID goes to standard error.
    #[arg(short = 'Q', long)]
    pub(crate) quiet: bool,

    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,

    /// Print one line of JSON for each event, as it comes.
    #[arg(long)]
    pub(crate) events: bool,

    /// Use this model instead of the configured one.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) model: Option<String>,

    /// Continue the session with this ID, beginning of an ID, or title.
    #[arg(long, value_name = "ID", conflicts_with = "continue")]
    pub(crate) resume: Option<String>,

    /// Continue the last session.
    #[arg(short, long = "continue", id = "continue")]
    pub(crate) continues: bool,

    /// End a turn after this number of model calls (agent.max_turns).
    #[arg(long, value_name = "N")]
    pub(crate) max_turns: Option<NonZeroU32>,

    /// Send this picture with the question: PNG, JPEG, GIF or WebP. Repeat it for more.
    #[arg(long = "image", value_name = "FILE")]
    pub(crate) images: Vec<PathBuf>,

    /// Print lines without colours that never change in place, for screen readers.
    #[arg(long)]
    pub(crate) plain: bool,
}

const EXAMPLES: &str = "Examples:
  hermes chat                              begin a conversation
  hermes chat --continue                   continue the last one
  hermes chat -q 'What is new?' -Q         print the answer alone
  git diff | hermes chat -q 'Review this'  send a text and a question
  hermes chat -q 'What is this?' --image photo.jpg
                                           send a picture

Exit codes: 0 answered, 1 failed, 78 no model is configured, 130 interrupted.";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    #[command(name = "chat")]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        let words = std::iter::once("chat").chain(line.split_whitespace());
        Program::try_parse_from(words).map(|program| program.arguments)
    }

    #[test]
    fn all_options_are_read() {
        let arguments = parse("-q hi -Q -m small --resume 01ab --max-turns 3 --image a.png --image b.png")
            .expect("valid");
        assert_eq!(arguments.query.as_deref(), Some("hi"));
        assert!(arguments.quiet && !arguments.json && !arguments.events && !arguments.continues);
        assert_eq!(arguments.model.as_deref(), Some("small"));
        assert_eq!(arguments.resume.as_deref(), Some("01ab"));
        assert_eq!(arguments.max_turns.map(NonZeroU32::get), Some(3));
        assert_eq!(arguments.images, [PathBuf::from("a.png"), PathBuf::from("b.png")]);
        assert!(parse("-c").expect("valid").continues);
    }

    #[rstest]
    #[case("-Q --json")]
    #[case("--json --events")]
    #[case("-Q --events")]
    #[case("-c --resume 01ab")]
    #[case("--max-turns 0")]
    fn options_that_exclude_each_other_are_refused(#[case] line: &str) {
        assert!(parse(line).is_err());
    }

    #[test]
    fn the_help_shows_an_example() {
        let help = Program::command().term_width(100).render_long_help().to_string();
        insta::assert_snapshot!(help);
    }
}
