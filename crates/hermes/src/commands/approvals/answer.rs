//! `hermes approvals answer ID CHOICE`.

use std::process::ExitCode;

use clap::ValueEnum;
use hermes_agent::approval::{Answer, ApprovalId};
use hermes_agent::store::{Answered, Store};
use hermes_operations::{Report, ReportKind};
use hermes_os::printable::unambiguous;

use super::store_failed;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The ID of the question, or its beginning.
    id: String,

    /// The answer.
    #[arg(value_enum)]
    choice: Choice,
}

const EXAMPLES: &str = "Examples:
  hermes approvals answer appr_1a2b3c4d5e6f7a8b once   let the call run
  hermes approvals answer appr_1a2b deny               refuse it";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    /// The call may run.
    Once,
    /// The call may run, and the same one again in this session.
    Session,
    /// The call may run, and the same one again in each session.
    Always,
    /// The call must not run.
    Deny,
}

impl From<Choice> for Answer {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Once => Self::Once,
            Choice::Session => Self::Session,
            Choice::Always => Self::Always,
            Choice::Deny => Self::Deny,
        }
    }
}

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let id = whole_id(store, &arguments.id).await?;
    match store.answer(&id, arguments.choice.into(), "terminal").await.map_err(store_failed)? {
        Answered::Stored(approval) => {
            say!("answered: {}", unambiguous(&approval.subject));
            Ok(ExitCode::SUCCESS)
        }
        Answered::Unknown => {
            Err(Report::new(ReportKind::NotFound, format!("there is no question {:?}", arguments.id))
                .hint("list those that wait: hermes approvals list"))
        }
        Answered::TooLate(_) => {
            Err(Report::new(ReportKind::Conflict, "the question was answered before, or its time is over")
                .hint("ask the agent to try again"))
        }
    }
}

/// Returns the ID that begins with `text`, if exactly one question that waits has it.
async fn whole_id(store: &Store, text: &str) -> Result<ApprovalId, Report> {
    let waiting = store.pending_approvals(None).await.map_err(store_failed)?;
    let mut matching = waiting.into_iter().filter(|approval| approval.id.to_string().starts_with(text));
    match (matching.next(), matching.next()) {
        (Some(only), None) => Ok(only.id),
        (Some(_), Some(_)) => {
            Err(Report::new(ReportKind::Conflict, format!("several questions begin with {text:?}"))
                .hint("list them: hermes approvals list"))
        }
        (None, _) => Ok(ApprovalId::from(text.to_owned())),
    }
}
