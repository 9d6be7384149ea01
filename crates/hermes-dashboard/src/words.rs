//! Failures in the words of the pages. A command of a hint becomes the button or the page that does the same.

use hermes_operations::Report;

/// The commands with a button or a page, each with the words of the page. An empty text stands for the link to the log.
const COMMANDS: &[(&str, &str)] = &[
    ("logs; correct that", "Correct the cause, then press Start."),
    ("gateway restart", "Press Restart."),
    ("gateway start", "Press Start."),
    ("gateway stop", "Press Stop."),
    ("gateway install", "Press Start."),
    ("profile create", "Create the agent in the overview."),
    ("profile delete", "Delete the agent on its page."),
    ("profile show", "The page of the agent has more."),
    ("config set", "Change it on the page Configuration of the agent."),
    ("config unset", "Change it on the page Configuration of the agent."),
    ("config list", "The page Configuration of the agent has all settings."),
    ("setup", "Set model and key on the page Configuration of the agent."),
    ("doctor", "The page Doctor has more."),
    ("logs", ""),
];

/// Returns a failure in one sentence: the event and its causes.
pub(crate) fn sentence(report: &Report) -> String {
    let line = report.one_line();
    let line =
        line.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if line.ends_with(['.', '!', '?']) { line } else { format!("{line}.") }
}

/// Returns the hint of a failure in the words of the page, or `None` if the link to the log says the same.
pub(crate) fn advice(report: &Report) -> Option<String> {
    let hint = report.hint.as_deref()?;
    if !hint.contains("hermes ") {
        return Some(hint.to_owned());
    }
    let known = COMMANDS
        .iter()
        .find(|(command, _)| hint.split_once("hermes ").is_some_and(|(_, rest)| rest.contains(command)));
    match known {
        Some((_, "")) => None,
        Some((_, words)) => Some((*words).to_owned()),
        None => Some(hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use hermes_operations::ReportKind;

    use super::*;

    #[test]
    fn a_hint_names_the_button_instead_of_the_command() {
        let advised = |hint: &str| advice(&Report::new(ReportKind::Failed, "it failed").hint(hint));
        assert_eq!(advised("read more: hermes -p coder logs"), None);
        let why = "read why: hermes logs; correct that, then: hermes gateway start";
        assert_eq!(advised(why).as_deref(), Some("Correct the cause, then press Start."));
        assert_eq!(advised("hermes -p coder gateway restart").as_deref(), Some("Press Restart."));
        assert_eq!(advised("create it: hermes profile create coder").as_deref(), Some(COMMANDS[5].1));
        assert_eq!(advised("make room").as_deref(), Some("make room"));
        assert_eq!(advised("hermes profile export coder").as_deref(), Some("hermes profile export coder"));
    }

    #[test]
    fn a_failure_is_one_sentence_with_its_cause() {
        let report =
            Report::new(ReportKind::Failed, "the gateway 'a' is given up").cause("the port\nis taken");
        assert_eq!(sentence(&report), "the gateway 'a' is given up: the port is taken.");
    }
}
