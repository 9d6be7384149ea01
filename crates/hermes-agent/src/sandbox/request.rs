//! The messages between the engine and the supervisor of a call.
//!
//! The engine writes the control channel: one line with the [`Request`], then frames of input. The supervisor writes one line with
//! the [`Ended`].

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::policy::Policy;

/// The bytes of a request at most. The text of a file that a tool writes is part of it.
pub(super) const LARGEST_REQUEST: usize = 64 << 20;

/// The bytes of one frame of input at most.
pub(super) const LARGEST_INPUT: usize = 64 << 10;

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The policy.
    pub policy: Policy,
    /// The task.
    pub task: Task,
    /// The directory in which the task starts.
    pub working_directory: PathBuf,
    /// The whole environment of a command. A tool has none.
    pub environment: BTreeMap<String, String>,
    /// The time until the call gets SIGTERM. It has 2 seconds to end by itself.
    pub time_limit: Option<Duration>,
}

/// The task of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Executes a program.
    Command {
        /// The program and its arguments. A program without a slash is searched in the `PATH` of the call's environment.
        arguments: Vec<String>,
        /// The input and the output.
        streams: Streams,
    },
    /// Runs a tool of this program. The output is its [`ToolOutput`](crate::tools::ToolOutput) as JSON.
    Tool {
        /// The name of the tool.
        name: String,
        /// The arguments, an object that matches the tool's schema.
        arguments: Value,
    },
}

/// The input and the output of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Streams {
    /// The input is empty. Standard output and standard error are one pipe.
    Output,
    /// The input is a pipe, which the engine feeds and closes. The output is as above.
    Pipes,
    /// The input is a pipe, as above. The output is the standard output alone. The report has the end of the standard error.
    Apart,
    /// A terminal of 80 columns and 24 lines.
    Terminal,
}

/// The end of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The process exited.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// A signal ended the process.
    Killed {
        /// The signal.
        signal: i32,
    },
    /// The time limit passed.
    TimedOut,
    /// The sandbox could not be made. The task did not start.
    NotConfined {
        /// The failed operation and its cause.
        cause: String,
    },
    /// The program or its directory could not be used. The task did not start.
    NotStarted {
        /// The failed operation and its cause.
        cause: String,
    },
    /// The supervisor ended without a report, so it is unknown how far the task came.
    Lost {
        /// The end of the supervisor.
        cause: String,
    },
}

/// One frame of the control channel, after the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Bytes for the standard input of the task.
    Input(Vec<u8>),
    /// The end of the standard input.
    CloseInput,
}

impl Frame {
    /// Returns the bytes on the channel: the length in four bytes, most significant first, then the input. The length 0 closes the
    /// input.
    pub(super) fn encode(&self) -> Vec<u8> {
        let input: &[u8] = match self {
            Self::Input(bytes) => bytes,
            Self::CloseInput => &[],
        };
        let length = u32::try_from(input.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes(), input].concat()
    }

    /// Takes the first frame from `buffer`. Returns `Ok(None)` if it is not complete.
    ///
    /// # Errors
    /// The length is over [`LARGEST_INPUT`]: the channel is not in order.
    pub(super) fn take(buffer: &mut Vec<u8>) -> Result<Option<Self>, usize> {
        let Some((length, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > LARGEST_INPUT {
            return Err(length);
        }
        let Some(input) = rest.get(..length) else { return Ok(None) };
        let frame = if input.is_empty() { Self::CloseInput } else { Self::Input(input.to_vec()) };
        buffer.drain(..4 + length);
        Ok(Some(frame))
    }
}

/// Returns the text of an error with its sources, as reports have it.
pub(super) fn cause(error: &dyn Error) -> String {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        // Some errors of the crate `landlock` repeat their source.
        if !cause.ends_with(&text) {
            cause = format!("{cause}: {text}");
        }
        source = error.source();
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_arrive_however_they_are_cut(
            inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
            piece in 1_usize..64,
        ) {
            let of = |bytes: &Vec<u8>| {
                if bytes.is_empty() { Frame::CloseInput } else { Frame::Input(bytes.clone()) }
            };
            let frames: Vec<Frame> = inputs.iter().map(of).collect();
            let sent: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
            let (mut buffer, mut found) = (Vec::new(), Vec::new());
            for bytes in sent.chunks(piece) {
                buffer.extend_from_slice(bytes);
                while let Some(frame) = Frame::take(&mut buffer).unwrap() {
                    found.push(frame);
                }
            }
            prop_assert_eq!(found, frames);
            prop_assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused() {
        assert_eq!(Frame::take(&mut vec![0, 1, 0, 1, 7]), Err(65_537));
        assert_eq!(Frame::take(&mut vec![0, 1, 0, 0, 7]), Ok(None));
    }
}
