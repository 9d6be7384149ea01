//! The files of a profile for its page: the soul, the configuration and the log, without secrets.

use std::sync::PoisonError;

use hermes_core::config::dot_env;
use hermes_core::config::{self, ConfigFileError};
use hermes_core::gateway::log as gateway_log;
use hermes_core::secrets::{Secrets, is_secret_name, mask_json};
use hermes_core::{ProfileName, chain};
use hermes_operations::{Report, ReportKind};
use hermes_os::printable::printable;
use hermes_os::whole_file;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::of_text;
use crate::site::Site;

/// The longest `SOUL.md` that can be changed here, in bytes.
const SOUL_MAX: u64 = 512 * 1024;
/// The number of lines that are searched: about the whole log.
const SEARCHED: usize = 100_000;
/// The maximum number of lines that are shown.
pub(crate) const LINES_MAX: usize = 2_000;
/// The default number of lines that are shown.
pub(crate) const LINES: usize = 200;
/// The maximum length of a line, in bytes.
const LINE_MAX: usize = 8 * 1024;

/// The instructions of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Soul {
    /// The text of `SOUL.md`.
    pub(crate) text: String,
    /// The digest of the text. A change names the revision that it is based on.
    pub(crate) revision: String,
}

/// A change of a soul.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct SoulChange {
    /// The new text.
    pub(crate) text: String,
    /// The revision that it is based on.
    pub(crate) revision: String,
}

/// The result of a change of a soul.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SoulChanged {
    /// The text was saved.
    Saved(Soul),
    /// The soul has changed since; this is the current one.
    Conflict(Soul),
}

/// A value of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Setting {
    /// The key, as in `gateway.port`.
    pub(crate) key: String,
    /// The value; `***` for a secret.
    pub(crate) value: String,
}

/// The end of a log, or the lines that a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LogLines {
    /// `true` if there is a log.
    pub(crate) exists: bool,
    /// The lines, oldest first.
    pub(crate) lines: Vec<String>,
    /// The number of further lines that match.
    pub(crate) more: usize,
}

/// Reads the soul of a profile. It is empty if there is no file: the default profile may have none.
///
/// # Errors
/// The file cannot be read, or is not text.
pub(crate) fn soul(site: &Site, profile: &ProfileName) -> Result<Soul, Report> {
    site.require_profile(profile)?;
    let bytes = whole_file::read(&site.home.soul(profile), SOUL_MAX)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read SOUL.md").because(&error))?;
    let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|error| {
        Report::new(ReportKind::Failed, "SOUL.md is not UTF-8 text")
            .because(&error)
            .hint("change it with an editor on the volume")
    })?;
    Ok(Soul { revision: of_text(&text), text })
}

/// Writes a soul, unless it has changed since it was read.
///
/// # Errors
/// It cannot be read or written, or is too long.
pub(crate) fn change_soul(
    site: &Site,
    profile: &ProfileName,
    change: &SoulChange,
) -> Result<SoulChanged, Report> {
    // A form sends line ends as CR LF (HTML Living Standard, 4.10.21.4).
    let text = change.text.replace("\r\n", "\n");
    if text.len() as u64 > SOUL_MAX {
        return Err(Report::new(
            ReportKind::TooLarge,
            format!("a SOUL.md has at most {SOUL_MAX} bytes here"),
        ));
    }
    let _changing = site.soul_change.lock().unwrap_or_else(PoisonError::into_inner);
    let now = soul(site, profile)?;
    if now.revision != change.revision {
        return Ok(if now.text == text { SoulChanged::Saved(now) } else { SoulChanged::Conflict(now) });
    }
    let path = site.home.soul(profile);
    let mode = whole_file::mode_of(&path).ok().flatten().unwrap_or(0o644);
    whole_file::write(&path, text.as_bytes(), mode).map_err(|error| {
        let failure = Report::new(ReportKind::CannotWrite, "failed to write SOUL.md").because(&error);
        // The error about another kind of file has its own hint.
        if error.io_kind().is_none() {
            return failure;
        }
        failure.hint("check that the volume has room and is writable: df -h \"$HERMES_HOME\"")
    })?;
    Ok(SoulChanged::Saved(Soul { revision: of_text(&text), text }))
}

/// Returns the configuration of a profile, without secrets.
///
/// # Errors
/// It cannot be read, or is no YAML.
pub(crate) fn settings(site: &Site, profile: &ProfileName) -> Result<Vec<Setting>, Report> {
    site.require_profile(profile)?;
    let config = config::load(&site.home.config(profile)).map_err(|error| {
        let failure = Report::new(ReportKind::Failed, "failed to read config.yaml").because(&error);
        if matches!(error, ConfigFileError::Parse { .. }) {
            failure.hint("correct that line in the file")
        } else {
            failure
        }
    })?;
    let config = config.unwrap_or_default();
    let setting = |(key, setting): (config::Key, config::Setting<'_>)| {
        let secret = key.names().iter().any(|name| is_secret_name(name));
        let value = match mask_json(setting.json(), secret) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Setting { key: key.to_string(), value: printable(value.as_bytes()) }
    };
    Ok(config.list().into_iter().map(setting).collect())
}

/// Returns the last lines of a log that contain `search`, regardless of case. An empty text matches all.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn log(
    site: &Site,
    profile: &ProfileName,
    lines: usize,
    search: &str,
) -> Result<LogLines, Report> {
    site.require_profile(profile)?;
    let lines = lines.clamp(1, LINES_MAX);
    let (exists, mut shown) = if search.is_empty() {
        read_log(site, profile, lines, |_| true)?
    } else {
        let wanted = search.to_lowercase();
        read_log(site, profile, SEARCHED, |line| line.to_lowercase().contains(&wanted))?
    };
    let more = shown.len().saturating_sub(lines);
    shown.drain(..more);
    Ok(LogLines { exists, lines: shown, more })
}

fn read_log(
    site: &Site,
    profile: &ProfileName,
    count: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(bool, Vec<String>), Report> {
    let tail = gateway_log::tail(&site.home.gateway_log(profile), count)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read the log").because(&error))?;
    let secrets = secrets_of(site, profile);
    let shown = tail.lines.iter().map(|line| shown_line(line, &secrets)).filter(|line| is_wanted(line));
    Ok((tail.exists, shown.collect()))
}

/// Formats a line of a log for the page.
pub(crate) fn shown_line(line: &[u8], secrets: &Secrets) -> String {
    let cut = line.len() > LINE_MAX;
    let mut shown = secrets.mask(&printable(&line[..line.len().min(LINE_MAX)]));
    if cut {
        shown.push_str(" … (cut)");
    }
    shown
}

/// Returns the known secrets of a profile, which are hidden in its log.
pub(crate) fn secrets_of(site: &Site, profile: &ProfileName) -> Secrets {
    let mut secrets = Secrets::default();
    let dot_env = dot_env::load(&site.home.dot_env(profile)).ok().flatten().unwrap_or_default();
    for (name, value) in dot_env.variables {
        if is_secret_name(&name) {
            secrets.add(&value);
        }
    }
    if let Ok(Some(config)) = config::load(&site.home.config(profile)) {
        secrets.add_json(&config.to_json(), false);
    }
    secrets
}

/// Returns an error of the volume, in one line.
pub(crate) fn unreadable(what: &str, error: &(dyn std::error::Error + 'static)) -> Report {
    Report::new(ReportKind::Failed, format!("{what}: {}", chain(error)))
}
