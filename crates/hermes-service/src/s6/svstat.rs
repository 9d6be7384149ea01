//! s6-svstat(1): the state of one slot.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use super::Error;

const PROGRAM: &str = "/command/s6-svstat";

/// The fields that are asked for, in this order.
const FIELDS: &str = "up,wantedup,normallyup,ready,pid,updownfor";

/// A slot as s6 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlotState {
    /// The process runs.
    pub up: bool,
    /// s6 was told, or decided by itself, that it should.
    pub wanted_up: bool,
    /// There is no `down` file: it starts by itself.
    pub normally_up: bool,
    /// It said that it is ready. One that cannot say so never is.
    pub ready: bool,
    /// Its PID while it is up.
    pub pid: Option<u32>,
    /// For how long it has been up, or down, in whole seconds.
    #[serde(rename = "for_seconds", serialize_with = "as_seconds")]
    pub since: Duration,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// Asks s6 for the state of the slot in `directory`.
///
/// # Errors
/// When s6-svstat cannot be run, or fails: the slot is not supervised.
pub fn svstat(directory: &Path) -> Result<SlotState, Error> {
    let output = Command::new(PROGRAM)
        .args(["-o", FIELDS, "--"])
        .arg(directory)
        .output()
        .map_err(|source| Error::Run { program: PROGRAM, source })?;
    let command = || format!("{PROGRAM} -o {FIELDS} {}", directory.display());
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Failed { command: command(), status: output.status, stderr });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| Error::Unexpected { command: command(), output: text.into_owned() })
}

/// `true true true false 17 4`: a word for each field, -1 for a PID that is not there.
fn parse(text: &str) -> Option<SlotState> {
    let mut words = text.split_ascii_whitespace();
    let mut truth = || words.next()?.parse::<bool>().ok();
    let (up, wanted_up, normally_up, ready) = (truth()?, truth()?, truth()?, truth()?);
    let pid: i64 = words.next()?.parse().ok()?;
    let since = Duration::from_secs(words.next()?.parse().ok()?);
    let pid = u32::try_from(pid).ok().filter(|&pid| pid > 0);
    words.next().is_none().then_some(SlotState { up, wanted_up, normally_up, ready, pid, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::up("true true true false 4711 12\n", true, Some(4711))]
    #[case::down("false false false false -1 3\n", false, None)]
    fn what_s6_svstat_prints_is_understood(#[case] text: &str, #[case] up: bool, #[case] pid: Option<u32>) {
        let state = parse(text).unwrap();
        assert_eq!((state.up, state.pid), (up, pid));
    }

    #[rstest]
    #[case("")]
    #[case("true true true false 4711")]
    #[case("true true true false 4711 12 more")]
    #[case("yes true true false 4711 12")]
    fn anything_else_is_not_guessed_at(#[case] text: &str) {
        assert_eq!(parse(text), None);
    }
}
